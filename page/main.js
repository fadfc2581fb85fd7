/**
 * Puts the parts of the monitor page together. The route is in the address behind `#`, so links and the back button work:
 * `#/` is the overview, `#/sessions/…` a session, `?kind=…&channel=…&cause=…` the filter of the events.
 */
import { Charts } from "./charts.js"
import { byId, counted, find, number, setText } from "./dom.js"
import { EventTable } from "./events.js"
import { Feed } from "./feed.js"
import * as Session from "./session.js"
import * as Tables from "./tables.js"

const charts = new Charts()
const events = new EventTable()
const filter = byId("filter", HTMLFormElement)

let counts = { at: 0, sessions: 0, subscriptions: 0, channels: 0, messages: 0 }
let summarisedAt = 0

const feed = new Feed({
  state: (isLive) => {
    const element = byId("state", HTMLElement)
    element.dataset["state"] = isLive ? "live" : "lost"
    setText(element, isLive ? "live" : "connection lost, trying again")
  },
  hello: (hello) => {
    setText(byId("node", HTMLElement), hello.isShared ? `${hello.node}, one of several processes` : hello.node)
    for (const element of document.querySelectorAll("[data-shared]")) element.toggleAttribute("hidden", !hello.isShared)
    byId("logout", HTMLFormElement).hidden = !hello.hasToken
    charts.begin(hello.points, hello.at)
  },
  now: (now) => {
    counts = now
    charts.now(now)
  },
  second: (second) => {
    charts.add(second.point)
    events.tick()
    showTotals(second)
    if (counts.at - summarisedAt >= 15_000) summarise(second.point[3])
  },
  tables: (tables) => {
    Tables.show(tables, counts)
    setText(byId("cluster", HTMLElement), clusterText(tables))
  },
  events: (batch) => events.add(batch),
  session: (state) => Session.show(state, counts.at)
})

/** @param {import("../src/page/PageProtocol.ts").Second} second */
const showTotals = ({ events, missed }) => {
  const published = `${counted(counts.messages, "message")} since the start, ${counted(events, "event")} a second`
  const lost = missed === 0 ? "" : `, ${number(missed)} lost before they were counted: the server was too busy`
  setText(byId("totals", HTMLElement), `${published}${lost}.`)
}

/** @param {import("../src/page/PageProtocol.ts").Tables} tables */
const clusterText = ({ cluster }) =>
  cluster === null
    ? ""
    : `In all processes: ${counted(cluster.sessions, "session")}, ${counted(cluster.subscriptions, "subscription")}.`

/**
 * Updates the summary for screen readers.
 * @param {number} messages
 */
const summarise = (messages) => {
  summarisedAt = counts.at
  const { sessions, subscriptions } = counts
  setText(
    byId("summary", HTMLElement),
    `${counted(sessions, "session")}, ${counted(subscriptions, "subscription")}, ${
      counted(messages, "message")
    } a second`
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// the address

/** Parses the address. */
const route = () => {
  const [path = "", query = ""] = location.hash.slice(1).split("?")
  return { session: /^\/sessions\/([0-9a-f]+)$/.exec(path)?.[1] ?? "", query: new URLSearchParams(query) }
}

let shownSession = ""

const show = () => {
  const { query, session } = route()
  byId("overview", HTMLElement).hidden = session !== ""
  byId("session", HTMLElement).hidden = session === ""
  setText(byId("events-title", HTMLElement), session === "" ? "Events" : "Its events")
  document.title = session === "" ? "effect-bayeux monitor" : `Session ${session} · effect-bayeux monitor`
  fillFilter(query)
  if (session !== shownSession && session !== "") {
    Session.begin(session)
    byId("session-title", HTMLElement).focus()
    scrollTo(0, 0)
  }
  shownSession = session
  events.clear()
  if (session !== "") query.set("session", session)
  feed.open(query)
}

/** @param {URLSearchParams} query */
const fillFilter = (query) => {
  for (const field of filter.elements) {
    if (field instanceof HTMLInputElement && field.type === "checkbox") {
      field.checked = query.getAll("kind").includes(field.value)
    } else if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) {
      if (field !== document.activeElement) field.value = query.get(field.name) ?? ""
    }
  }
}

const applyFilter = () => {
  const query = new URLSearchParams()
  for (const [name, value] of new FormData(filter)) {
    if (typeof value === "string" && value !== "") query.append(name, value)
  }
  const { session } = route()
  const text = query.toString()
  history.replaceState(null, "", `#/${session === "" ? "" : `sessions/${session}`}${text === "" ? "" : `?${text}`}`)
  show()
}

/** @type {number | undefined} */
let typingTimer
filter.addEventListener("input", ({ target }) => {
  clearTimeout(typingTimer)
  typingTimer = setTimeout(applyFilter, target instanceof HTMLInputElement && target.type === "search" ? 300 : 0)
})
filter.addEventListener("submit", (event) => {
  event.preventDefault()
  clearTimeout(typingTimer)
  applyFilter()
})
filter.addEventListener("reset", () => setTimeout(applyFilter))
addEventListener("hashchange", () => {
  show()
  // A link to the events of a channel moves the focus to them.
  if (route().session === "" && route().query.size > 0) byId("events-title", HTMLElement).focus()
})
find(document, ".skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault()
  byId("content", HTMLElement).focus()
})
show()

/**
 * Puts the parts of the monitor page together. What is shown stands in the address, behind `#`: `#/` is everything,
 * `#/sessions/…` a session, and `?kind=…&channel=…&cause=…` the filter of the events; so links and the back button work.
 */
import { Charts } from "./charts.js"
import { byId, counted, find, number, say } from "./dom.js"
import { EventTable } from "./events.js"
import { Feed } from "./feed.js"
import * as Session from "./session.js"
import * as Tables from "./tables.js"

const charts = new Charts()
const events = new EventTable()
const filter = byId("filter", HTMLFormElement)

let counts = { at: 0, sessions: 0, subscriptions: 0, channels: 0, messages: 0 }
let isOver = 0

const feed = new Feed({
  state: (isLive) => {
    const element = byId("state", HTMLElement)
    element.dataset["state"] = isLive ? "live" : "lost"
    say(element, isLive ? "live" : "connection lost, trying again")
  },
  hello: (hello) => {
    say(byId("node", HTMLElement), hello.isShared ? `${hello.node}, one of several processes` : hello.node)
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
    showBeside(second)
    if (counts.at - isOver >= 15_000) summarise(second.point[3])
  },
  tables: (tables) => {
    Tables.show(tables, counts)
    say(byId("cluster", HTMLElement), showCluster(tables))
  },
  events: (told) => events.add(told),
  session: (state) => Session.show(state, counts.at)
})

/** @param {import("../src/page/PageProtocol.ts").Second} second */
const showBeside = ({ events, missed }) => {
  const published = `${counted(counts.messages, "message")} since the page is served, ${
    counted(events, "event")
  } a second`
  const lost = missed === 0 ? "" : `, ${number(missed)} lost before they were counted: the server was too busy`
  say(byId("beside", HTMLElement), `${published}${lost}.`)
}

/** @param {import("../src/page/PageProtocol.ts").Tables} tables */
const showCluster = ({ cluster }) =>
  cluster === null
    ? ""
    : `In all processes: ${counted(cluster.sessions, "session")}, ${counted(cluster.subscriptions, "subscription")}.`

/**
 * For those who cannot see it move, and not too often.
 * @param {number} messages
 */
const summarise = (messages) => {
  isOver = counts.at
  const { sessions, subscriptions } = counts
  say(
    byId("summary", HTMLElement),
    `${counted(sessions, "session")}, ${counted(subscriptions, "subscription")}, ${
      counted(messages, "message")
    } a second`
  )
}

// ---------------------------------------------------------------------------------------------------------------------
// the address

/** What the address asks for. */
const asked = () => {
  const [path = "", query = ""] = location.hash.slice(1).split("?")
  return { session: /^\/sessions\/([0-9a-f]+)$/.exec(path)?.[1] ?? "", query: new URLSearchParams(query) }
}

let shown = ""

const show = () => {
  const { query, session } = asked()
  byId("overview", HTMLElement).hidden = session !== ""
  byId("session", HTMLElement).hidden = session === ""
  say(byId("events-title", HTMLElement), session === "" ? "Events" : "Its events")
  document.title = session === "" ? "effect-bayeux monitor" : `Session ${session} · effect-bayeux monitor`
  fillFilter(query)
  if (session !== shown && session !== "") {
    Session.begin(session)
    byId("session-title", HTMLElement).focus()
    scrollTo(0, 0)
  }
  shown = session
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

const ask = () => {
  const query = new URLSearchParams()
  for (const [name, value] of new FormData(filter)) {
    if (typeof value === "string" && value !== "") query.append(name, value)
  }
  const { session } = asked()
  const text = query.toString()
  history.replaceState(null, "", `#/${session === "" ? "" : `sessions/${session}`}${text === "" ? "" : `?${text}`}`)
  show()
}

/** @type {number | undefined} */
let typing
filter.addEventListener("input", ({ target }) => {
  clearTimeout(typing)
  typing = setTimeout(ask, target instanceof HTMLInputElement && target.type === "search" ? 300 : 0)
})
filter.addEventListener("submit", (event) => {
  event.preventDefault()
  clearTimeout(typing)
  ask()
})
filter.addEventListener("reset", () => setTimeout(ask))
addEventListener("hashchange", () => {
  show()
  // Who has followed a link to the events of a channel wants to see them.
  if (asked().session === "" && asked().query.size > 0) byId("events-title", HTMLElement).focus()
})
find(document, ".skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault()
  byId("content", HTMLElement).focus()
})
show()

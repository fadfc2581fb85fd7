/**
 * The page of a session: its connection, its queue, its subscriptions, and the button that ends it.
 * @import { SessionState } from "../src/page/PageProtocol.ts"
 */
import { byId, channelLink, clock, counted, duration, find, make, number, setText } from "./dom.js"
import { causeText } from "./events.js"

const statement = byId("session-state", HTMLElement)
const details = byId("session-facts", HTMLElement)
const subscriptions = byId("subscriptions", HTMLElement)
const note = byId("subscriptions-note", HTMLElement)
const end = byId("end", HTMLButtonElement)
const dialog = byId("confirm", HTMLDialogElement)
const complaint = find(dialog, ".complaint", HTMLElement)
const reason = find(dialog, "input", HTMLInputElement)

let name = ""
let time = 0

/** @param {Extract<SessionState, { readonly _tag: "Here" }>} state */
const connectionText = ({ link, row }) => {
  const waits = row.queueLength === 0
    ? ""
    : `; ${counted(row.queueLength, "message")} ${row.queueLength === 1 ? "waits" : "wait"} for it`
  if (row.local) return `A local session of the application${waits}.`
  if (link === "Detached") return `Not connected now${waits}.`
  return `Connected by ${row.connectionType}${link === "Polling" ? ", with a connect that is held" : ""}${waits}.`
}

/** @param {ReadonlyArray<readonly [string, string]>} pairs */
const showDetails = (pairs) => {
  if (details.children.length !== 2 * pairs.length) {
    details.replaceChildren(...pairs.flatMap(([term]) => [make("dt", {}, term), make("dd")]))
  }
  pairs.forEach(([, value], at) => {
    const element = details.children[2 * at + 1]
    if (element !== undefined) setText(element, value)
  })
}

/** @param {ReadonlyArray<string>} channels */
const showSubscriptions = (channels) => {
  const before = [...subscriptions.children].map(({ textContent }) => textContent)
  if (before.length === channels.length && channels.every((channel, at) => channel === before[at])) return
  subscriptions.replaceChildren(...channels.map((channel) => make("li", {}, channelLink(channel))))
}

/** @param {Extract<SessionState, { readonly _tag: "Here" }>} state */
const showPresent = (state) => {
  const { acknowledges, row } = state
  setText(statement, connectionText(state))
  showDetails([
    ["Connection type", row.connectionType ?? "none"],
    ["Messages in its queue", number(row.queueLength)],
    ["Acknowledges", acknowledges ? "yes: messages stay in the queue until it acknowledges them" : "no"],
    ["Created", `${clock(row.createdAt)}, ${duration(time - row.createdAt)} ago`],
    ["Last connect", `${clock(row.lastSeen)}, ${duration(time - row.lastSeen)} ago`]
  ])
  showSubscriptions(state.subscriptions)
  const { length } = state.subscriptions
  setText(note, length < row.subscriptions ? `${number(length)} of ${number(row.subscriptions)}` : number(length))
}

/**
 * Begins with another session, or with another server.
 * @param {string} next
 */
export const begin = (next) => {
  name = next
  setText(find(byId("session-title", HTMLElement), "code", HTMLElement), name)
  setText(statement, "…")
  details.replaceChildren()
  subscriptions.replaceChildren()
  setText(note, "")
  end.disabled = true
}

/**
 * Shows the state of the session at a time.
 * @param {SessionState} state
 * @param {number} at
 */
export const show = (state, at) => {
  time = at
  end.disabled = state._tag !== "Here"
  statement.dataset["state"] = state._tag
  if (state._tag === "Here") return showPresent(state)
  if (dialog.open) dialog.close()
  if (state._tag === "Ended") {
    setText(statement, `Ended at ${clock(state.at)}: ${state.cause._tag}, ${causeText(state.cause)}.`)
  } else {setText(
      statement,
      "This process has no session with that name. It has ended, or another process serves it."
    )}
}

const send = async () => {
  const response = await fetch(`sessions/${name}/end`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ reason: reason.value })
  })
  if (!response.ok) throw new Error(await response.text())
}

end.addEventListener("click", () => {
  complaint.textContent = ""
  dialog.showModal()
  reason.select()
})

dialog.addEventListener("close", () => end.focus())

find(dialog, "button[type=button]", HTMLButtonElement).addEventListener("click", () => dialog.close())
find(dialog, "form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault()
  send().then(() => dialog.close(), (error) => setText(complaint, error.message))
})

/**
 * The page of a session: how it is connected, what waits for it, and the button that ends it.
 * @import { SessionState } from "../src/page/PageProtocol.ts"
 */
import { byId, channelLink, clock, counted, duration, find, make, number, say } from "./dom.js"
import { why } from "./events.js"

const statement = byId("session-state", HTMLElement)
const facts = byId("session-facts", HTMLElement)
const subscriptions = byId("subscriptions", HTMLElement)
const note = byId("subscriptions-note", HTMLElement)
const end = byId("end", HTMLButtonElement)
const dialog = byId("confirm", HTMLDialogElement)
const complaint = find(dialog, ".complaint", HTMLElement)
const reason = find(dialog, "input", HTMLInputElement)

let name = ""
let time = 0

/** @param {Extract<SessionState, { readonly _tag: "Here" }>} state */
const howConnected = ({ link, row }) => {
  const waits = row.queueLength === 0
    ? ""
    : `; ${counted(row.queueLength, "message")} ${row.queueLength === 1 ? "waits" : "wait"} for it`
  if (row.local) return `The application's own, in this process${waits}.`
  if (link === "Detached") return `Not connected now${waits}.`
  return `Connected by ${row.connectionType}${link === "Polling" ? ", with a connect that is held" : ""}${waits}.`
}

/** @param {ReadonlyArray<readonly [string, string]>} pairs */
const showFacts = (pairs) => {
  if (facts.children.length !== 2 * pairs.length) {
    facts.replaceChildren(...pairs.flatMap(([term]) => [make("dt", {}, term), make("dd")]))
  }
  pairs.forEach(([, value], at) => {
    const element = facts.children[2 * at + 1]
    if (element !== undefined) say(element, value)
  })
}

/** @param {ReadonlyArray<string>} channels */
const showSubscriptions = (channels) => {
  const before = [...subscriptions.children].map(({ textContent }) => textContent)
  if (before.length === channels.length && channels.every((channel, at) => channel === before[at])) return
  subscriptions.replaceChildren(...channels.map((channel) => make("li", {}, channelLink(channel))))
}

/** @param {Extract<SessionState, { readonly _tag: "Here" }>} state */
const showHere = (state) => {
  const { acknowledges, row } = state
  say(statement, howConnected(state))
  showFacts([
    ["Connection type", row.connectionType ?? "none now"],
    ["Messages that wait", number(row.queueLength)],
    ["Acknowledges", acknowledges ? "yes: messages stay until it has said that it has them" : "no"],
    ["Began", `${clock(row.createdAt)}, ${duration(time - row.createdAt)} ago`],
    ["Last connect", `${clock(row.lastSeen)}, ${duration(time - row.lastSeen)} ago`]
  ])
  showSubscriptions(state.subscriptions)
  const { length } = state.subscriptions
  say(note, length < row.subscriptions ? `${number(length)} of ${number(row.subscriptions)}` : number(length))
}

/**
 * Another session, or another server with other names.
 * @param {string} next
 */
export const begin = (next) => {
  name = next
  say(find(byId("session-title", HTMLElement), "code", HTMLElement), name)
  say(statement, "…")
  facts.replaceChildren()
  subscriptions.replaceChildren()
  say(note, "")
  end.disabled = true
}

/**
 * How the session is at a time.
 * @param {SessionState} state
 * @param {number} at
 */
export const show = (state, at) => {
  time = at
  end.disabled = state._tag !== "Here"
  statement.dataset["state"] = state._tag
  if (state._tag === "Here") return showHere(state)
  if (dialog.open) dialog.close()
  if (state._tag === "Ended") say(statement, `Ended at ${clock(state.at)}: ${state.cause._tag}, ${why(state.cause)}.`)
  else {say(
      statement,
      "There is no session of that name with this process. It has ended, or another process serves it now."
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
  send().then(() => dialog.close(), (error) => say(complaint, error.message))
})

/**
 * The events, the newest first. Where more happens than can be shown the server sends a sample, and the page says so.
 * @import { EventRow, Events } from "../src/page/PageProtocol.ts"
 * @import { Cause } from "../src/core/MonitorEvent.ts"
 */
import { byId, channelLink, clock, exactClock, find, isInUse, make, number, say, sessionLink } from "./dom.js"

/** Rows that are kept. */
const kept = 200

/**
 * A cause in words.
 * @param {Cause} cause
 * @returns {string}
 */
export const why = (cause) => {
  switch (cause._tag) {
    case "ClientRequest":
      return "the client asked for it"
    case "Timeout":
      return `not heard since ${clock(cause.lastSeen)}`
    case "Kicked":
      return cause.reason
    case "QueueOverflow":
      return "too many messages waited for it"
    case "Shutdown":
      return "the server stopped"
    case "EngineLost":
      return "the engine has lost it"
    case "ProcessLost":
      return "its process is gone"
  }
}

/** @param {EventRow} row */
const cell = ({ cause, data, withSession }) => {
  if (cause === undefined) return make("td", { class: "quiet" }, data ?? "")
  const tag = make("span", { class: "cause", "data-cause": cause._tag }, cause._tag)
  return make("td", {}, tag, ` ${why(cause)}${withSession === true ? ", with its session" : ""}`)
}

/** @param {EventRow} row */
const line = (row) =>
  make(
    "tr",
    { "data-kind": row.kind },
    make("td", { class: "time" }, exactClock(row.at)),
    make("td", {}, make("span", { class: "kind" }, row.kind)),
    make("td", {}, row.session === null ? make("span", { class: "quiet" }, "no session") : sessionLink(row.session)),
    make("td", { class: "channel" }, row.channel === undefined ? "" : channelLink(row.channel)),
    cell(row)
  )

export class EventTable {
  #table = byId("events", HTMLTableElement)
  #body = find(this.#table, "tbody", HTMLTableSectionElement)
  #pause = byId("pause", HTMLButtonElement)
  /** @type {ReadonlyArray<EventRow>} newest first */
  #waiting = []
  #matched = 0
  #sent = 0

  constructor() {
    this.#pause.addEventListener("click", () => {
      this.#pause.ariaPressed = String(!this.#isPaused)
      this.#flush()
    })
  }

  get #isPaused() {
    return this.#pause.ariaPressed === "true"
  }

  /** Another filter, or another session: what is there is not of it. */
  clear() {
    this.#body.replaceChildren()
    this.#waiting = []
    this.#matched = this.#sent = 0
  }

  /** @param {Events} events */
  add({ matched, rows }) {
    this.#matched += matched
    this.#sent += rows.length
    this.#waiting = [...rows.toReversed(), ...this.#waiting].slice(0, kept)
    this.#flush()
  }

  /** What is pointed at stays where it is until it is let go. */
  #flush() {
    if (this.#isPaused || isInUse(this.#table)) return
    this.#body.prepend(...this.#waiting.map(line))
    this.#waiting = []
    while (this.#body.children.length > kept) this.#body.lastElementChild?.remove()
  }

  /** Once a second: says what of it is to be seen. */
  tick() {
    this.#flush()
    const element = byId("shown", HTMLElement)
    const isSample = this.#sent < this.#matched
    const held = this.#waiting.length > 0 ? ` Held: ${number(this.#waiting.length)} more.` : ""
    element.classList.toggle("sampled", isSample)
    say(
      element,
      (isSample
        ? `Sampled: showing ${number(this.#sent)} of ${number(this.#matched)} in the last second.`
        : "All are shown.") +
        held
    )
    this.#matched = this.#sent = 0
  }
}

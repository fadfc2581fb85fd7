/**
 * The table of events, the newest first. Under load the server sends a sample of them, and the page says so.
 * @import { EventBatch, EventRow } from "../src/page/PageProtocol.ts"
 * @import { Cause } from "../src/core/MonitorEvent.ts"
 */
import { byId, channelLink, clock, exactClock, find, isInUse, make, number, sessionLink, setText } from "./dom.js"

/** Number of rows that are kept. */
const maxRows = 200

/**
 * Describes a cause in words.
 * @param {Cause} cause
 * @returns {string}
 */
export const causeText = (cause) => {
  switch (cause._tag) {
    case "ClientRequest":
      return "requested by the client"
    case "Timeout":
      return `no sign of life since ${clock(cause.lastSeen)}`
    case "Kicked":
      return cause.reason
    case "QueueOverflow":
      return "too many messages in its queue"
    case "Shutdown":
      return "the server stopped"
    case "EngineLost":
      return "lost by the engine"
    case "ProcessLost":
      return "its process was lost"
  }
}

/** @param {EventRow} row */
const detailCell = ({ cause, data, withSession }) => {
  if (cause === undefined) return make("td", { class: "quiet" }, data ?? "")
  const tag = make("span", { class: "cause", "data-cause": cause._tag }, cause._tag)
  return make("td", {}, tag, ` ${causeText(cause)}${withSession === true ? ", with its session" : ""}`)
}

/** @param {EventRow} row */
const rowElement = (row) =>
  make(
    "tr",
    { "data-kind": row.kind },
    make("td", { class: "time" }, exactClock(row.at)),
    make("td", {}, make("span", { class: "kind" }, row.kind)),
    make("td", {}, row.session === null ? make("span", { class: "quiet" }, "no session") : sessionLink(row.session)),
    make("td", { class: "channel" }, row.channel === undefined ? "" : channelLink(row.channel)),
    detailCell(row)
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

  /** Removes all rows, for another filter or another session. */
  clear() {
    this.#body.replaceChildren()
    this.#waiting = []
    this.#matched = this.#sent = 0
  }

  /** @param {EventBatch} events */
  add({ matched, rows }) {
    this.#matched += matched
    this.#sent += rows.length
    this.#waiting = [...rows.toReversed(), ...this.#waiting].slice(0, maxRows)
    this.#flush()
  }

  /** Shows the rows that wait, unless the table is paused or in use. */
  #flush() {
    if (this.#isPaused || isInUse(this.#table)) return
    this.#body.prepend(...this.#waiting.map(rowElement))
    this.#waiting = []
    while (this.#body.children.length > maxRows) this.#body.lastElementChild?.remove()
  }

  /** Updates the note about the sample, once a second. */
  tick() {
    this.#flush()
    const element = byId("shown", HTMLElement)
    const isSample = this.#sent < this.#matched
    const heldText = this.#waiting.length > 0 ? ` Held: ${number(this.#waiting.length)} more.` : ""
    element.classList.toggle("sampled", isSample)
    setText(
      element,
      (isSample
        ? `Sampled: showing ${number(this.#sent)} of ${number(this.#matched)} in the last second.`
        : "All events are shown.") +
        heldText
    )
    this.#matched = this.#sent = 0
  }
}

/**
 * The tables of channels and sessions.
 * @import { ChannelRow, SessionRow, Tables } from "../src/page/PageProtocol.ts"
 */
import { byId, channelLink, counted, duration, find, make, number, rate, sessionLink, setText, table } from "./dom.js"

const count = () => make("td", { class: "number" })

const showChannels = table(
  find(byId("channels", HTMLTableElement), "tbody", HTMLTableSectionElement),
  (/** @type {ChannelRow} */ { channel }) => channel,
  ({ channel }) => [make("th", { scope: "row" }, channelLink(channel)), count(), count()],
  (row, [, subscribers, messages]) => {
    if (subscribers !== undefined) setText(subscribers, number(row.subscribers))
    if (messages !== undefined) setText(messages, rate(row.rate))
  }
)

let time = 0

const showSessions = table(
  find(byId("sessions", HTMLTableElement), "tbody", HTMLTableSectionElement),
  (/** @type {SessionRow} */ { name }) => name,
  ({ name }) => [make("th", { scope: "row" }, sessionLink(name)), make("td"), count(), count(), count()],
  (row, [, connected, subscriptions, waiting, age]) => {
    if (connected !== undefined) setText(connected, row.connectionType ?? "not connected")
    if (subscriptions !== undefined) setText(subscriptions, number(row.subscriptions))
    if (waiting !== undefined) {
      setText(waiting, number(row.queueLength))
      waiting.classList.toggle("much", row.queueLength > 100)
    }
    if (age !== undefined) setText(age, duration(time - row.createdAt))
  }
)

/** @type {keyof ChannelRow} */
let order = "subscribers"
/** @type {ReadonlyArray<ChannelRow>} */
let channels = []

const sorted = () =>
  [...channels].sort((a, b) => {
    const first = order === "channel" ? 0 : b[order] - a[order]
    return first || b.rate - a.rate || b.subscribers - a.subscribers || a.channel.localeCompare(b.channel)
  }).sort((a, b) => order === "channel" ? a.channel.localeCompare(b.channel) : 0)

const heads = [...byId("channels", HTMLTableElement).querySelectorAll("th[data-sort]")]
const markOrder = () => {
  for (const head of heads) {
    const isOrder = head.getAttribute("data-sort") === order
    head.ariaSort = !isOrder ? "none" : order === "channel" ? "ascending" : "descending"
  }
}
for (const head of heads) {
  head.addEventListener("click", () => {
    order = /** @type {keyof ChannelRow} */ (head.getAttribute("data-sort"))
    markOrder()
    showChannels(sorted())
  })
}
markOrder()

/**
 * Shows the tables. `counts` has the numbers of all channels and sessions, and their time.
 * @param {Tables} tables
 * @param {{ readonly at: number, readonly channels: number, readonly sessions: number }} counts
 */
export const show = (tables, counts) => {
  time = counts.at
  channels = tables.channels
  showChannels(sorted())
  showSessions(tables.sessions)
  const { length } = tables.sessions
  setText(
    byId("sessions-note", HTMLElement),
    length < counts.sessions
      ? `${number(length)} of ${number(counts.sessions)}: the longest queues, then the newest`
      : ""
  )
  setText(byId("channels-note", HTMLElement), `${counted(counts.channels, "channel")} with subscribers`)
}

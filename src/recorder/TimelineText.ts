/** Timelines in words, a line for each event: the output of `effect-bayeux inspect`. */
import * as DateTime from "effect/DateTime"
import * as Printable from "../base/Printable.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type * as Session from "../core/Session.ts"
import type * as Timeline from "./Timeline.ts"

const time = (at: number): string => DateTime.formatIso(DateTime.makeUnsafe(at)).slice(11, 23)

/** Names a message by the number of its event, or by its position if another process has published it. */
const nameOf = ({ channel, position, sequence }: Timeline.MessageRef): string =>
  `${sequence === undefined ? `position ${position}` : `#${sequence}`} on ${channel}`

const count = (messages: number): string => messages === 1 ? "1 message" : `${messages} messages`

/** Writes a cause as part of a sentence. */
const because = (cause: Cause): string => {
  switch (cause._tag) {
    case "ClientRequest":
      return "its client has asked for it"
    case "Timeout":
      return `it did not connect for too long, last at ${time(cause.lastSeen)}`
    case "Kicked":
      return `the application has ended it: ${cause.reason}`
    case "QueueOverflow":
      return "more messages waited for it than may"
    case "Shutdown":
      return "the server stopped"
    case "EngineLost":
      return "the engine has lost it"
    case "ProcessLost":
      return "its process is gone"
  }
}

const there = ({ createdAt, link, queueLength, subscriptions }: Session.Info): string =>
  `is there since ${time(createdAt)}, ${link.toLowerCase()}, subscribed to ${subscriptions.join(" ") || "nothing"}, ` +
  `${count(queueLength)} waiting`

const reasons = {
  Unwritten: "it could not be written after all",
  Reset: "the connection of its answer was reset",
  AskedAgain: "the client had not read it, and asked for it again"
} as const

const sentence = (event: Timeline.TimelineEvent): string => {
  switch (event._tag) {
    case "There":
      return there(event.info)
    case "Began":
      return `began${event.connection === undefined ? "" : ` over connection ${event.connection}`}${
        event.acknowledges ? "; it acknowledges" : ""
      }`
    case "Came":
      return `came from another process, ${count(event.waiting)} waiting`
    case "Went":
      return `went to another process, ${count(event.waiting)} waiting`
    case "Connected": {
      const until = event.heldUntil === undefined ? "not held" : `held until ${time(event.heldUntil)} at most`
      return `connected over connection ${event.connection} (${event.connectionType}), ${until}`
    }
    case "StreamOpened":
      return `opened a stream, connection ${event.connection}`
    case "Disconnected":
      return `lost its connection ${event.connection}`
    case "Answered":
      return `its connect was answered over connection ${event.connection} with ${count(event.messages)}`
    case "Advised":
      return `was told by its stream, connection ${event.connection}: ${event.reconnect}`
    case "Refused":
      return `was refused on ${event.request}: ${event.error}`
    case "Subscribed":
      return `subscribed to ${event.channel}`
    case "Unsubscribed":
      return `unsubscribed from ${event.channel}: ${because(event.cause)}`
    case "Published":
      return `published ${nameOf(event.message)}: ${JSON.stringify(event.data)}`
    case "Matched":
      return `was to get ${nameOf(event.message)}, by ${event.patterns.join(" and ")}`
    case "Queued":
      return `${nameOf(event.message)} was queued, ${count(event.waiting)} waiting`
    case "Written":
      return `${nameOf(event.message)} was written to connection ${event.connection}`
    case "CameBack":
      return `${nameOf(event.message)} came back: ${reasons[event.why]}`
    case "Acknowledged":
      return `${nameOf(event.message)} was acknowledged`
    case "Lost":
      return `${nameOf(event.message)} was lost with it: ${because(event.cause)}`
    case "Waits":
      return event.why === "NoConnection"
        ? `${nameOf(event.message)} still waits: it has no connection that takes it`
        : `${nameOf(event.message)} still waits to be acknowledged`
    case "Ended":
      return `ended, ${count(event.waiting)} waiting: ${because(event.cause)}`
  }
}

const rest = (line: Exclude<Timeline.Line, Timeline.TimelineEntry>): string => {
  switch (line._tag) {
    case "Hole":
      return `Steps ${line.from} to ${line.to} are not in the recording: ${line.reason}`
    case "Damage": {
      const lines = line.from === line.to ? `Line ${line.from}` : `A line between ${line.from} and ${line.to}`
      return `${lines} of ${line.file} is not as it was written: what follows is missing up to the next state`
    }
    case "Difference": {
      const { at, input, place, step } = line
      const out = line.outputs === undefined
        ? "a failure"
        : line.outputs.map(({ _tag }) => _tag).join(", ") || "nothing"
      return `Step ${step} at ${time(at)} (line ${place.line} of ${place.file}), ${input._tag}: ` +
        `something else came out than then. Now it is ${out}`
    }
    case "End":
      return line.isWhole
        ? `That was all: ${line.steps} steps, to the end of the service`
        : `That was all: ${line.steps} steps. The service did not end here: it was killed, or still runs`
  }
}

/** Writes a line that is no entry: missing steps, and the end of the recording. */
export const printRest = (line: Exclude<Timeline.Line, Timeline.TimelineEntry>): string => Printable.escape(rest(line))

/** Writes a line of a timeline, safe for terminals whatever clients have sent. With `isNamed` it begins with the session. */
export const print = (line: Timeline.Line, isNamed = false): string => {
  if (!("clientId" in line)) return printRest(line)
  const subject = isNamed ? `${line.clientId ?? "the application or a stranger"}: ` : ""
  return Printable.escape(`${time(line.at)}  ${subject}${sentence(line)}`)
}

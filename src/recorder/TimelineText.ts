/** A story in words, a line for each thing that happened: what `effect-bayeux inspect` prints. */
import * as DateTime from "effect/DateTime"
import * as Printable from "../base/Printable.ts"
import type { Cause } from "../core/MonitorEvent.ts"
import type * as Session from "../core/Session.ts"
import type * as Timeline from "./Timeline.ts"

const time = (at: number): string => DateTime.formatIso(DateTime.makeUnsafe(at)).slice(11, 23)

/** A message by the number of its event, or by its position where another process has published it. */
const nameOf = ({ channel, position, sequence }: Timeline.MessageRef): string =>
  `${sequence === undefined ? `position ${position}` : `#${sequence}`} on ${channel}`

const count = (messages: number): string => messages === 1 ? "1 message" : `${messages} messages`

/** Why something ended, as part of a sentence. */
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

const sentence = (told: Timeline.TimelineEvent): string => {
  switch (told._tag) {
    case "There":
      return there(told.info)
    case "Began":
      return `began${told.connection === undefined ? "" : ` over connection ${told.connection}`}${
        told.acknowledges ? "; it acknowledges" : ""
      }`
    case "Came":
      return `came from another process, ${count(told.waiting)} waiting`
    case "Went":
      return `went to another process, ${count(told.waiting)} waiting`
    case "Connected": {
      const until = told.heldUntil === undefined ? "not held" : `held until ${time(told.heldUntil)} at most`
      return `connected over connection ${told.connection} (${told.connectionType}), ${until}`
    }
    case "StreamOpened":
      return `opened a stream, connection ${told.connection}`
    case "Disconnected":
      return `lost its connection ${told.connection}`
    case "Answered":
      return `its connect was answered over connection ${told.connection} with ${count(told.messages)}`
    case "Advised":
      return `was told by its stream, connection ${told.connection}: ${told.reconnect}`
    case "Refused":
      return `was refused on ${told.request}: ${told.error}`
    case "Subscribed":
      return `subscribed to ${told.channel}`
    case "Unsubscribed":
      return `unsubscribed from ${told.channel}: ${because(told.cause)}`
    case "Published":
      return `published ${nameOf(told.message)}: ${JSON.stringify(told.data)}`
    case "Matched":
      return `was to get ${nameOf(told.message)}, by ${told.patterns.join(" and ")}`
    case "Queued":
      return `${nameOf(told.message)} was queued, ${count(told.waiting)} waiting`
    case "Written":
      return `${nameOf(told.message)} was written to connection ${told.connection}`
    case "CameBack":
      return `${nameOf(told.message)} came back: ${reasons[told.why]}`
    case "Acknowledged":
      return `${nameOf(told.message)} was acknowledged`
    case "Lost":
      return `${nameOf(told.message)} was lost with it: ${because(told.cause)}`
    case "Waits":
      return told.why === "NoConnection"
        ? `${nameOf(told.message)} still waits: it has no connection that takes it`
        : `${nameOf(told.message)} still waits to be acknowledged`
    case "Ended":
      return `ended, ${count(told.waiting)} waiting: ${because(told.cause)}`
  }
}

const rest = (told: Exclude<Timeline.Line, Timeline.TimelineEntry>): string => {
  switch (told._tag) {
    case "Hole":
      return `Steps ${told.from} to ${told.to} are not in the recording: ${told.reason}`
    case "Damage": {
      const lines = told.from === told.to ? `Line ${told.from}` : `A line between ${told.from} and ${told.to}`
      return `${lines} of ${told.file} is not as it was written: what follows is missing up to the next state`
    }
    case "Difference": {
      const { at, input, place, step } = told
      const out = told.outputs === undefined
        ? "a failure"
        : told.outputs.map(({ _tag }) => _tag).join(", ") || "nothing"
      return `Step ${step} at ${time(at)} (line ${place.line} of ${place.file}), ${input._tag}: ` +
        `something else came out than then. Now it is ${out}`
    }
    case "End":
      return told.isWhole
        ? `That was all: ${told.steps} steps, to the end of the service`
        : `That was all: ${told.steps} steps. The service did not end here: it was killed, or still runs`
  }
}

/** What is told beside what happened: what is missing, and how the recording ends. */
export const printRest = (told: Exclude<Timeline.Line, Timeline.TimelineEntry>): string => Printable.escape(rest(told))

/** A line of the story, whatever text from clients is in it. With `isNamed` it begins with whom it is about. */
export const print = (told: Timeline.Line, isNamed = false): string => {
  if (!("clientId" in told)) return printRest(told)
  const who = isNamed ? `${told.clientId ?? "the application or a stranger"}: ` : ""
  return Printable.escape(`${time(told.at)}  ${who}${sentence(told)}`)
}

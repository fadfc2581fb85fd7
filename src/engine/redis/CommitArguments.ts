/**
 * Arguments of `Scripts.commit`: six for each change. They are number, kind, client id (`-` without a session), two words
 * that depend on the kind, and the generation that the session must still have (empty if any will do).
 */
import type { Change, Yield } from "../../core/Change.ts"
import * as Message from "../../core/Message.ts"
import * as Retries from "../../core/Retries.ts"
import * as Idempotency from "../Idempotency.ts"
import * as LogEntry from "./LogEntry.ts"
import type { Pending } from "./Outbox.ts"

type Words = readonly [kind: LogEntry.Kind | "Y", first: string, second: string]

const flag = (is: boolean): string => is ? "1" : ""

const leftOf = ({ againUpTo, hadStream, queued, retries: { answered, ids, last } }: Yield): LogEntry.Left => {
  const positions = answered?.messages.map(({ position }) => position) ?? []
  return { queued, againUpTo, hadStream, ids, last, answered: answered && { id: answered.id, positions } }
}

const wordsOf = (change: Change, isForced: boolean, since: number): Words => {
  switch (change._tag) {
    case "Publish": {
      const message = Message.write(change)
      const { once } = change
      return ["P", message, once === undefined ? "" : `${once.slot} ${Idempotency.markOf(once, message)}`]
    }
    case "CreateSession": {
      const hasUniqueIds = Retries.make(change.origin?.request).ids === "Unique"
      const flags = `${Number(change.local)}${Number(change.acknowledges)}${Number(hasUniqueIds)}`
      return ["C", flags + LogEntry.writeIdentity(change.identity), `${since}`]
    }
    case "Subscribe":
      return ["S", LogEntry.writePatterns(change.patterns), flag(change.forbidden !== undefined)]
    case "Unsubscribe":
      return ["U", LogEntry.writePatterns(change.patterns), flag(change.forbidden !== undefined)]
    case "EndSession":
      return ["E", LogEntry.writeCause(change.cause), flag(change.cause._tag === "EngineLost")]
    case "Adopt":
      return ["A", change.acknowledged === undefined ? "" : `${change.acknowledged}`, flag(isForced)]
    case "Yield":
      return ["Y", `${change.position}`, LogEntry.writeLeft(leftOf(change))]
    case "GiveBack":
      return ["G", LogEntry.writeReturned(change), ""]
  }
}

/** Arguments of a change. */
export const of = ({ change, generation, isForced, number, since }: Pending): ReadonlyArray<string> => {
  const [kind, ...words] = wordsOf(change, isForced, since)
  return [`${number}`, kind, change.clientId ?? "-", ...words, generation]
}

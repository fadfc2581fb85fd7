/** What holds in every state: the parts of it tell the same story. */
import { assert } from "@effect/vitest"
import { HashMap, HashSet } from "effect"
import type * as DeadlineTree from "../../src/core/DeadlineTree.ts"
import * as Session from "../../src/core/Session.ts"
import type * as State from "../../src/core/State.ts"

const entries = (tree: DeadlineTree.DeadlineTree): ReadonlyArray<DeadlineTree.Entry> =>
  tree === undefined ? [] : [...entries(tree.before), tree, ...entries(tree.after)]

export const check = (state: State.State): void => {
  const sessions = [...HashMap.values(state.sessions)]

  const subscribed = sessions.flatMap(({ clientId, subscriptions }) =>
    [...subscriptions].map((p) => `${p} ${clientId}`)
  )
  const indexed = HashMap.toEntries(state.routes.subscriptions).flatMap(([pattern, subscribers]) => {
    assert.isFalse(HashSet.isEmpty(subscribers), `the index keeps an empty set for ${pattern}`)
    return [...subscribers].map((clientId) => `${pattern} ${clientId}`)
  })
  assert.deepStrictEqual(indexed.sort(), subscribed.sort(), "index and sessions have the same subscriptions")

  assert.strictEqual(state.routes.size, subscribed.length, "subscriptions are counted")
  const queued = sessions.reduce((sum, { queue }) => sum + queue.bytes, 0)
  assert.strictEqual(state.queuedBytes, queued, "bytes that wait are counted")

  const linked = sessions.flatMap(({ clientId, link }) =>
    link._tag === "Detached" ? [] : [`${link.connection} ${clientId}`]
  )
  const bound = HashMap.toEntries(state.bindings).map(([connection, clientId]) => `${connection} ${clientId}`)
  assert.deepStrictEqual(bound.sort(), linked.sort(), "bindings and sessions have the same connections")

  const attached = sessions.flatMap(({ acknowledges, clientId, link }) =>
    link._tag === "Attached" && !acknowledges ? [`${link.connection} ${clientId}`] : []
  )
  const routed = HashMap.toEntries(state.routes.attached).map(([clientId, connection]) => `${connection} ${clientId}`)
  assert.deepStrictEqual(routed.sort(), attached.sort(), "routes and sessions have the same open connections")

  const armed = sessions.filter(({ armedAt }) => armedAt !== Infinity).map(({ armedAt, clientId }) =>
    `${armedAt} ${clientId}`
  )
  const deadlines = entries(state.deadlines)
  assert.deepStrictEqual(
    deadlines.map(({ at, clientId }) => `${at} ${clientId}`).sort(),
    armed.sort(),
    "deadlines and sessions agree"
  )
  for (let i = 1; i < deadlines.length; i++) {
    assert.isAtMost(deadlines[i - 1]?.at ?? 0, deadlines[i]?.at ?? 0, "deadlines are in order")
  }

  for (const session of sessions) {
    const { acknowledges, armedAt, clientId, link, queue } = session
    assert.isAtMost(armedAt, Session.dueAt(session), `${clientId} is looked at before something is due`)
    if (link._tag === "Attached" && !acknowledges) {
      assert.strictEqual(queue.length, 0, `${clientId} is attached and has a queue`)
    }
    if (acknowledges) assert.notDeepInclude(link, { kind: "stream" }, `${clientId} acknowledges and has a stream`)
    const carries = link._tag === "Polling" || (acknowledges && link._tag === "Attached" && link.held !== undefined)
    if (carries && queue.length > 0) {
      assert.include(
        state.toAnswer,
        clientId,
        `${clientId} has a held connect and a queue, and is not answered at the end of the turn`
      )
    }
  }
}

/** What is recorded of arbitrary interleavings happens again, output by output, wherever the recording begins. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Connection, Kind } from "../../src/core/Connection.ts"
import * as Message from "../../src/core/Message.ts"
import type { Output } from "../../src/core/Output.ts"
import * as Pseudonymiser from "../../src/recorder/Pseudonymiser.ts"
import { Recording } from "../../src/recorder/Recording.ts"
import { RecordingFile } from "../../src/recorder/RecordingFile.ts"
import * as Replay from "../../src/recorder/Replay.ts"
import * as Invariants from "../core/invariants.ts"
import { eventsIn, Trial } from "../core/trial.ts"
import { runs } from "../support/seeds.ts"

const channel = fc.constantFrom("/a", "/b", "/a/b", "/service/x", "/a/*", "bad")
const pattern = fc.constantFrom("/a", "/b", "/*", "/**", "/a/*", "/meta/*")
const session = fc.nat(6)
const kind = fc.constantFrom<Kind>("exchange", "socket")

const action = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant("handshake" as const), kind, ack: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("connect" as const),
      session,
      kind,
      timeout: fc.constantFrom(undefined, 0, 300)
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("subscribe" as const), session, patterns: fc.array(pattern) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), session, patterns: fc.array(pattern) })
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("publish" as const),
      session: fc.option(session),
      channel,
      data: fc.jsonValue()
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("disconnect" as const), session }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("kick" as const), session }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("stream" as const), session }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("close" as const), back: fc.nat(9), unwritten: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("hear" as const), back: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("halt" as const), millis: fc.constantFrom(1, 5_000) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("advance" as const), millis: fc.constantFrom(0, 299, 999, 2_001) })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("newFile" as const) }) }
)
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

/** A trial with its sessions and connections. */
class Flight {
  readonly trial = new Trial({ maxQueueLength: 4 })
  readonly sessions: Array<string> = []
  readonly connections: Array<Connection> = []
  #acks = 0

  open(kind: Kind): Connection {
    const connection = this.trial.open(kind)
    this.connections.push(connection)
    return connection
  }

  name(index: number): string {
    return this.sessions[index] ?? ["nobody", "not a name!", ""][index % 3] ?? ""
  }

  do(action: Action): void {
    const { trial } = this
    switch (action.do) {
      case "handshake":
        this.#handshake(action.kind, action.ack)
        return
      case "connect": {
        const connectionType = action.kind === "socket" ? "websocket" : "long-polling"
        const ext = this.#acks++ % 2 === 0 ? { ack: this.#acks } : {}
        const advice = action.timeout === undefined ? {} : { timeout: action.timeout }
        const clientId = this.name(action.session)
        trial.receive(this.open(action.kind), {
          channel: "/meta/connect",
          clientId,
          connectionType,
          ext,
          advice,
          id: "7"
        })
        return
      }
      case "subscribe":
      case "unsubscribe": {
        const clientId = this.name(action.session)
        const subscription = action.patterns
        trial.receive(this.open("exchange"), { channel: `/meta/${action.do}`, clientId, subscription })
        return
      }
      case "publish": {
        const clientId = action.session === null ? null : this.name(action.session)
        trial.receive(this.open("socket"), { channel: action.channel, data: action.data, clientId, id: 1 })
        return
      }
      case "disconnect":
        trial.receive(this.open("exchange"), { channel: "/meta/disconnect", clientId: this.name(action.session) })
        return
      case "kick": {
        const clientId = this.sessions[action.session]
        if (clientId === undefined) return
        trial.step({ _tag: "EndRequested", clientId: clientId as never, cause: { _tag: "Kicked", reason: "x" } })
        return
      }
      case "stream":
        trial.step({
          _tag: "StreamOpened",
          connection: this.open("stream"),
          clientId: this.sessions[action.session] ?? "-"
        })
        return
      case "close":
        this.#close(action.back, action.unwritten)
        return
      case "hear": {
        const connection = this.connections.at(-1 - action.back)
        if (connection !== undefined) trial.step({ _tag: "Heard", connection: connection.id })
        return
      }
      case "halt":
        trial.now += action.millis
        trial.step({ _tag: "Halted", milliseconds: action.millis })
        return
      case "advance":
        trial.advance(action.millis)
        return
      case "newFile":
        return
    }
  }

  #handshake(kind: Kind, ack: boolean): void {
    const supportedConnectionTypes = ["websocket", "long-polling"]
    const handshake = { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes, ext: { ack } }
    const outputs = this.trial.receive(this.open(kind), handshake)
    for (const event of eventsIn(outputs)) if (event._tag === "Handshake") this.sessions.push(event.clientId)
  }

  #close(back: number, unwritten: number): void {
    const connection = this.connections.at(-1 - back)
    if (connection === undefined) return
    const sent = this.trial.outputs.flatMap((output) =>
      output._tag === "Reply" && output.connection === connection.id && output.clientId !== undefined ? [output] : []
    ).at(-1)
    this.trial.step({ _tag: "ConnectionClosed", connection: connection.id })
    if (sent?.clientId === undefined) return
    const messages = sent.messages.filter(Message.isDelivery).slice(0, unwritten)
    this.trial.step({ _tag: "Returned", clientId: sent.clientId, messages })
  }
}

/**
 * Flies, records, and replays; a new file is begun where the actions say so. The engine returns its outcomes (`isAtOnce`)
 * or tells them later.
 */
const fly = async (actions: ReadonlyArray<Action>, clientIds: "hashed" | "plain", isAtOnce: boolean) => {
  const folder = mkdtempSync(join(tmpdir(), "bayeux-recording-"))
  const file = join(folder, "recording")
  try {
    const flight = new Flight()
    const { trial } = flight
    let sequence = 0
    const recordingFile = new RecordingFile(file)
    await recordingFile.open()
    const recording = new Recording("run", {
      source: { node: "node", sequence: () => sequence, state: () => trial.state, now: () => trial.now },
      recordingFile,
      pseudonymiser: Pseudonymiser.make(clientIds, undefined),
      limits: { ofFile: 1_000_000, ofMemory: 1_000_000 },
      log: (message) => assert.fail(message)
    })
    let at = 0
    /** Records a step, and those of the outcomes that the engine returns. */
    const take = (): void => {
      const { input, step } = trial.steps[at++] ?? assert.fail("there is no step")
      recording.take(input, step.outputs)
      sequence += eventsIn(step.outputs).length
      for (const output of step.outputs) if (output._tag === "Commit" && isAtOnce) take()
    }
    for (const action of actions) {
      flight.do(action)
      while (at < trial.steps.length) {
        take()
        recording.settle()
      }
      recording.endTurn()
      if (action.do === "newFile") recording.turnOver()
    }
    await recording.end()
    return { trial, told: [...Replay.events(file)] }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** With deliveries as data. */
const plain = (outputs: ReadonlyArray<Output>): unknown =>
  JSON.parse(
    JSON.stringify(outputs, (_key, value: unknown) =>
      value instanceof Message.Delivery ? [value.position, value.json] : value)
  )

const actions = fc.array(action, { minLength: 1, maxLength: 80 })

describe("a recording", () => {
  it("happens again, output by output", async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), async (actions, isAtOnce) => {
        const { told, trial } = await fly(actions, "plain", isAtOnce)
        const steps = told.flatMap((told) => told._tag === "Step" ? [told] : [])
        assert.deepStrictEqual(told.at(-1), { _tag: "End", steps: steps.length, isWhole: true })
        const recorded = trial.steps.slice(-steps.length || trial.steps.length)
        assert.deepStrictEqual(
          steps.map(({ outputs }) => plain(outputs)),
          recorded.slice(0, steps.length).map(({ step }) => plain(step.outputs))
        )
        for (const { after } of steps) Invariants.check(after)
        assert.strictEqual(told.length, steps.length + 1)
      }),
      runs(150)
    )
  })

  it("happens again under other names, event by event", async () => {
    await fc.assert(
      fc.asyncProperty(actions, fc.boolean(), async (actions, isAtOnce) => {
        const { told, trial } = await fly(actions, "hashed", isAtOnce)
        const steps = told.flatMap((told) => told._tag === "Step" ? [told] : [])
        assert.strictEqual(told.length, steps.length + 1)
        const events = steps.flatMap(({ events }) => events.map(({ _tag }) => _tag))
        const recorded = trial.events.map(({ _tag }) => _tag)
        assert.deepStrictEqual(events, events.length === 0 ? [] : recorded.slice(-events.length))
      }),
      runs(150)
    )
  })
})

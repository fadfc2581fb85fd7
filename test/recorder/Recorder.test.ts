/** The flight recorder through the public API: what is in the file, how large it gets, what is said of what is missing. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import * as Machine from "../../src/core/Machine.ts"
import type { Lagged, MonitorEvent } from "../../src/core/MonitorEvent.ts"
import * as Settings from "../../src/core/Settings.ts"
import * as State from "../../src/core/State.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Pseudonymiser from "../../src/recorder/Pseudonymiser.ts"
import * as Recorder from "../../src/recorder/Recorder.ts"
import { Recording } from "../../src/recorder/Recording.ts"
import { RecordingFile } from "../../src/recorder/RecordingFile.ts"
import * as Replay from "../../src/recorder/Replay.ts"
import * as Timeline from "../../src/recorder/Timeline.ts"
import * as TimelineText from "../../src/recorder/TimelineText.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import type { Connections } from "../../src/service/Connections.ts"
import { ask, eventually, failure, handshake, layerTransports, turn, wholeService } from "../engine/laws.ts"

const folder = mkdtempSync(join(tmpdir(), "bayeux-recorder-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const freshFile = () => join(folder, `recording-${++files}`)

const layer = (options: Recorder.RecorderOptions) =>
  layerTransports.pipe(
    Layer.provideMerge(Bayeux.layer()),
    Layer.provide(Recorder.layer(options)),
    Layer.provide(MemoryEngine.layer)
  )

/** Does something with a service that is recorded, to its end, and gives the events that its monitor has told. */
const record = <E>(
  options: Recorder.RecorderOptions,
  flight: Effect.Effect<void, E, Bayeux.Bayeux | Connections | Scope.Scope>
) =>
  Effect.gen(function*() {
    const events: Array<MonitorEvent | Lagged> = []
    const told = yield* (yield* Monitor.Monitor).subscribe({ strategy: "unbounded" })
    yield* Effect.forkScoped(Stream.runForEach(told, (event) => Effect.sync(() => events.push(event))))
    yield* flight.pipe(Effect.scoped, Effect.provide(layer(options)))
    yield* turn
    return events
  }).pipe(Effect.scoped, Effect.provide(Monitor.layer()))

const publish = (channel: string, data: string | number) =>
  Effect.flatMap(wholeService, (bayeux) => bayeux.publish(channel, data))

let clientId = ""
const flight = Effect.gen(function*() {
  const bayeux = yield* wholeService
  const ext = { token: "credential" }
  clientId = (yield* ask(bayeux, { ...handshake, ext })).clientId ?? ""
  yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: ["/a/*", "/b"], ext })
  yield* ask(bayeux, { channel: "/a/b", clientId, data: { text: "päyload" }, ext, foreign: "credential" })
  yield* ask(bayeux, { channel: "/a/b", clientId: `${clientId}0`, data: 1 })
  yield* publish("/b", 1)
  yield* ask(bayeux, { channel: "/meta/connect", clientId, connectionType: "long-polling" })
})

const replay = (file: string) => Effect.map(Stream.runCollect(Replay.run(file)), (told) => told)

const eventsOf = (told: ReadonlyArray<Replay.ReplayEvent>): ReadonlyArray<MonitorEvent> =>
  told.flatMap((told) => told._tag === "Step" ? told.events : [])

const dataIn = (events: ReadonlyArray<MonitorEvent>): ReadonlyArray<unknown> =>
  events.flatMap((event) => event._tag === "Publish" ? [event.data] : [])

const linesOf = (file: string): ReadonlyArray<string> => readFileSync(file, "utf8").split("\n").slice(0, -1)

/** Nothing while the file is about to get its name. */
const text = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** Lets rounds of writing pass until something is so. */
const rounds = (what: string, isSo: () => boolean) =>
  eventually(what, Effect.andThen(TestClock.adjust("100 millis"), Effect.sync(() => isSo() || undefined)))

describe("Recorder", () => {
  it.effect("records what happens again, event by event as it was told", () =>
    Effect.gen(function*() {
      const file = freshFile()
      const events = yield* record({ file, clientIds: "plain" }, flight)
      const told = yield* replay(file)
      assert.deepStrictEqual(JSON.stringify(eventsOf(told)), JSON.stringify(events))
      assert.isAbove(events.length, 6)
      assert.include(told.at(-1), { _tag: "End", isWhole: true })
      assert.isTrue(told.slice(0, -1).every(({ _tag }) => _tag === "Step"))
    }))

  it.effect("writes a change and its outcome as one line where the engine carries it out at once", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record({ file }, flight)
      const tags = linesOf(file).map((line) => (JSON.parse(line) as [number, string])[1])
      assert.notInclude(text(file), "Happened")
      assert.strictEqual(tags.filter((tag) => tag === "Publish").length, 2)
      assert.strictEqual((yield* replay(file)).filter(({ _tag }) => _tag === "Step").length, 21)
    }))

  it("writes the step that a process was taking when it ended", async () => {
    const file = freshFile()
    const recordingFile = new RecordingFile(file)
    await recordingFile.open()
    const state = State.make(Settings.defaults, [])
    const recording = new Recording("run", {
      source: { node: "node", sequence: () => 0, state: () => state, now: () => 1 },
      recordingFile,
      pseudonymiser: Pseudonymiser.make("plain", undefined),
      limits: { ofFile: 100_000, ofMemory: 100_000 },
      log: (message) => assert.fail(message)
    })
    const input = { _tag: "DeadlinePassed", now: 1 } as const
    recording.take(input, Machine.reduce(state, input).outputs)
    recording.endNow()
    await recordingFile.close()
    assert.deepStrictEqual([...Replay.events(file)].map(({ _tag }) => _tag), ["Step", "End"])
  })

  it.effect("stops behind the event that it is told", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record({ file }, flight)
      const told = yield* Stream.runCollect(Replay.run(file, { until: 4 }))
      assert.strictEqual(eventsOf(told).at(-1)?.sequence, 4)
    }))

  it.effect("writes no client id and no credential, and the same name for the same client", () =>
    Effect.gen(function*() {
      const file = freshFile()
      const events = yield* record({ file }, flight)
      assert.notInclude(text(file), clientId)
      assert.notInclude(text(file), "credential")
      const told = eventsOf(yield* replay(file))
      assert.deepStrictEqual(told.map(({ _tag }) => _tag), events.map(({ _tag }) => _tag))
      const names = new Set(told.map(({ clientId }) => clientId))
      assert.deepStrictEqual([...names].filter((name) => name !== null).length, 1)
    }))

  it.effect("writes client ids where that is asked for, and no credential", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record({ file, clientIds: "plain" }, flight)
      assert.include(text(file), clientId)
      assert.notInclude(text(file), "credential")
    }))

  it.effect("writes what data was like, or what a function makes of it", () =>
    Effect.gen(function*() {
      const [measured, made, broken] = [freshFile(), freshFile(), freshFile()]
      yield* record({ file: measured, redact: true }, flight)
      yield* record({ file: made, redact: (channel) => `on ${channel}` }, flight)
      yield* record({ file: broken, redact: () => assert.fail("broken") }, flight)
      for (const file of [measured, made, broken]) assert.notInclude(text(file), "yload")
      assert.deepStrictEqual(dataIn(eventsOf(yield* replay(measured))), [
        { redacted: "object", length: 18 },
        { redacted: "number", length: 1 }
      ])
      assert.deepStrictEqual(dataIn(eventsOf(yield* replay(made))), ["on /a/b", "on /b"])
      assert.deepStrictEqual(dataIn(eventsOf(yield* replay(broken))), [{ redacted: "failed" }, { redacted: "failed" }])
    }))

  it.effect("keeps to its bound, and can be replayed from wherever it begins", () =>
    Effect.gen(function*() {
      const file = freshFile()
      const maxBytes = 64 * 1_024
      const events = yield* record(
        { file, maxBytes, clientIds: "plain" },
        Effect.gen(function*() {
          const bayeux = yield* wholeService
          const { clientId } = yield* ask(bayeux, handshake)
          yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: "/queue" })
          yield* publish("/queue", "waits")
          for (let n = 0; n < 60; n++) {
            for (let i = 0; i < 10; i++) yield* publish("/a", `${n} ${"x".repeat(100)}`)
            yield* rounds("it to be written", () =>
              text(file).includes(`"${n} x`) || text(`${file}.1`).includes(`"${n} x`))
          }
        })
      )
      const sizes = [file, `${file}.1`].map((file) =>
        statSync(file).size
      )
      for (const size of sizes) assert.isAtMost(size, maxBytes / 2)
      for (const path of [file, `${file}.1`]) {
        const told = yield* replay(path)
        const replayed = eventsOf(told)
        assert.isTrue(told.slice(0, -1).every(({ _tag }) => _tag === "Step"))
        assert.isAbove(replayed[0]?.sequence ?? 0, 10)
        const first = (replayed[0]?.sequence ?? 0) - 1
        assert.deepStrictEqual<unknown>(replayed, events.slice(first, first + replayed.length))
      }
      assert.deepStrictEqual(eventsOf(yield* replay(file)).at(-1), events.at(-1))
    }))

  it.effect("names what came faster than it was written, and goes on behind it", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record(
        { file, maxBytes: 64 * 1_024 },
        Effect.gen(function*() {
          for (let i = 0; i < 200; i++) yield* publish("/a", "x".repeat(100))
          yield* rounds("the hole to be named", () => text(file).includes("\"Hole\""))
          yield* publish("/a", "after")
        })
      )
      const told = yield* replay(file)
      const holes = told.filter(({ _tag }) => _tag === "Hole")
      assert.strictEqual(holes.length, 1)
      assert.include(String(holes[0]?._tag === "Hole" && holes[0].reason), "faster disk")
      assert.deepStrictEqual(dataIn(eventsOf(told)).at(-1), "after")
      const steps = told.flatMap((told) =>
        told._tag === "Step" ? [told.step] : told._tag === "Hole" ? [told.from, told.to] : []
      )
      assert.deepStrictEqual(steps, steps.toSorted((a, b) => a - b), "the hole is where steps are missing")
    }))

  it.effect("names what was lost last, too", () =>
    Effect.gen(function*() {
      const file = freshFile()
      const many = Effect.forEach(Array.from({ length: 200 }), () => publish("/a", "x".repeat(100)), { discard: true })
      yield* record({ file, maxBytes: 64 * 1_024 }, many)
      const told = yield* replay(file)
      assert.isTrue(told.some(({ _tag }) => _tag === "Hole"))
      assert.include(told.at(-1), { _tag: "End", isWhole: true })
    }))

  it.effect("goes on serving while there is no disk, names the hole, and goes on recording when there is one", () =>
    Effect.gen(function*() {
      const gone = join(folder, "gone")
      mkdirSync(gone)
      const file = join(gone, "recording")
      const logged: Array<string> = []
      const logger = Logger.make(({ message }) => logged.push(String(message)))
      const isLost = () => logged.some((message) => message.includes("hole") && message.includes("ENOENT"))
      yield* record(
        { file, maxBytes: 64 * 1_024 },
        Effect.gen(function*() {
          rmSync(gone, { recursive: true })
          while (!isLost()) {
            yield* publish("/a", "x".repeat(1_000))
            yield* TestClock.adjust("100 millis")
            yield* turn
          }
          mkdirSync(gone)
          yield* rounds("the recording to go on", () => text(file).includes("Begun"))
          yield* publish("/a", "after")
        })
      ).pipe(Effect.provide(Logger.layer([logger])))
      const told = yield* replay(file)
      assert.strictEqual(told[0]?._tag, "Hole")
      assert.include(String(told[0]?._tag === "Hole" && told[0].reason), "ENOENT")
      assert.deepStrictEqual(dataIn(eventsOf(told)), ["after"])
      assert.include(told.at(-1), { _tag: "End", isWhole: true })
    }))

  it.effect("says what is wrong with its options, and with a file that cannot be written", () =>
    Effect.gen(function*() {
      const refused = (options: unknown) =>
        Effect.map(
          failure(
            Effect.scoped(Layer.build(layer(options as Recorder.RecorderOptions).pipe(Layer.provide(Monitor.layer()))))
          ),
          (error) => error.message
        )
      assert.include(yield* refused({ file: join(folder, "no", "such", "folder") }), "name a file in a folder")
      assert.include(yield* refused({ file: "" }), "file")
      assert.include(yield* refused({ file: freshFile(), maxBytes: 1 }), "maxBytes")
      assert.include(yield* refused({ file: freshFile(), redact: "yes" }), "redact")
      assert.include(yield* refused({ file: freshFile(), clientId: "plain" }), "clientId")
    }))

  it.effect("records one service at a time", () =>
    Effect.gen(function*() {
      const recorder = Recorder.layer({ file: freshFile() })
      const service = () =>
        Layer.fresh(Bayeux.layer().pipe(Layer.provide(MemoryEngine.layer), Layer.provide(Monitor.layer())))
      const both = Effect.gen(function*() {
        yield* Layer.build(service())
        return yield* failure(Layer.build(service()))
      })
      const error = yield* Effect.provide(both, recorder)
      assert.include(error.message, "records another service")
    }))

  it.effect("keeps what the file held under the other name", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record({ file }, publish("/a", "first"))
      yield* record({ file }, publish("/a", "second"))
      assert.deepStrictEqual(dataIn(eventsOf(yield* replay(file))), ["second"])
      assert.deepStrictEqual(dataIn(eventsOf(yield* replay(`${file}.1`))), ["first"])
    }))
})

// ---------------------------------------------------------------------------------------------------------------------

describe("Replay", () => {
  const read = Effect.gen(function*() {
    const file = freshFile()
    yield* record({ file, clientIds: "plain" }, flight)
    return { file, lines: linesOf(file), events: eventsOf(yield* replay(file)) }
  })

  it.effect("names each line that is not as it was written, and tells nothing that did not happen", () =>
    Effect.gen(function*() {
      const { events, file, lines } = yield* read
      for (const [at, line] of lines.entries()) {
        const middle = Math.floor(line.length / 2)
        const other = line[middle] === "1" ? "2" : "1"
        const damaged = line.slice(0, middle) + other + line.slice(middle + 1)
        writeFileSync(file, `${lines.toSpliced(at, 1, damaged).join("\n")}\n`)
        const result = yield* Effect.result(replay(file))
        if (result._tag === "Failure") {
          assert.strictEqual(at, 0, "only a file without its first line is none")
          continue
        }
        const told = result.success
        const flaw = told.find(({ _tag }) => _tag !== "Step" && _tag !== "End")
        assert(flaw?._tag === "Damage", `line ${at + 1} was changed to ${damaged}`)
        assert.isTrue(flaw.from <= at + 1 && at + 1 <= flaw.to, `${flaw.from} to ${flaw.to} has ${at + 1}`)
        const replayed = eventsOf(told)
        assert.deepStrictEqual(replayed, events.slice(0, replayed.length))
      }
    }))

  it.effect("names lines that are missing or were moved", () =>
    Effect.gen(function*() {
      const { file, lines } = yield* read
      for (const at of lines.keys()) {
        if (at < 2 || at === lines.length - 1) continue
        writeFileSync(file, `${lines.toSpliced(at, 1).join("\n")}\n`)
        const told = yield* replay(file)
        const flaw = told.find(({ _tag }) => _tag !== "Step" && _tag !== "End")
        assert.include(["Damage", "Hole"], flaw?._tag, `without line ${at + 1}`)
      }
    }))

  it.effect("tells the first step of which something else comes out", () =>
    Effect.gen(function*() {
      const { file, lines } = yield* read
      const unchecked = lines.filter((line) => !line.includes("\"Check\""))
      const at = unchecked.findIndex((line) => line.includes("\"Publish\""))
      const [step, tag, time, sequence, digest, ...rest] = JSON.parse(unchecked[at] ?? "") as Array<unknown>
      const wrong = unchecked
        .map((line, index) =>
          index === at ? JSON.stringify([step, tag, time, sequence, Number(digest) + 1, ...rest]) : line
        )
        .map((line) => `${line}\n[1,"Check",${crc32(`${line}\n`)}]`)
      writeFileSync(file, `${wrong.join("\n")}\n`)
      const told = yield* replay(file)
      const [difference, end] = told.slice(-2)
      assert(difference?._tag === "Difference" && end?._tag === "End")
      assert.strictEqual(difference.step, step)
      assert.strictEqual(difference.place.line, 2 * at + 1)
      assert.include(TimelineText.print(difference), `Step ${Number(step)}`)
    }))

  it.effect("reads what a killed process has left, up to the last whole line", () =>
    Effect.gen(function*() {
      const { events, file } = yield* read
      const bytes = readFileSync(file)
      for (let length = 600; length < bytes.length; length += 97) {
        writeFileSync(file, bytes.subarray(0, length))
        const told = yield* replay(file)
        const replayed = eventsOf(told)
        assert.deepStrictEqual(replayed, events.slice(0, replayed.length))
        assert.strictEqual(told.at(-1)?._tag, "End")
        assert.isTrue(told.every(({ _tag }) => _tag === "Step" || _tag === "End"))
      }
    }))

  it.effect("says of what is no recording, or another version's, that it is not one", () =>
    Effect.gen(function*() {
      const { file, lines } = yield* read
      const refused = (file: string) => Effect.map(failure(replay(file)), ({ message }) => message)
      writeFileSync(file, lines.join("\n").replace("recording 2", "recording 1"))
      assert.include(yield* refused(file), "its format is \"effect-bayeux recording 1\"")
      for (const content of ["", "\n", "{}\n", "[1,2,3]\n", "\u0000\u0001"]) {
        writeFileSync(file, content)
        assert.include(yield* refused(file), "does not begin as one")
      }
      assert.include(yield* refused(join(folder, "missing")), "no such file")
    }))
})

// ---------------------------------------------------------------------------------------------------------------------

describe("Timeline", () => {
  const timeline = (file: string, subject: Timeline.Subject) =>
    Effect.map(
      Stream.runCollect(Timeline.run(file, subject)),
      (told) =>
        told.map((line) => TimelineText.print(line).replace(/^\S+ {2}/, "").replaceAll(/connection \d+/g, "connection"))
    )

  it.effect("tells what happened to a session", () =>
    Effect.gen(function*() {
      const file = freshFile()
      yield* record({ file, clientIds: "plain" }, flight)
      assert.deepStrictEqual(yield* timeline(file, { clientId }), [
        "began over connection",
        "subscribed to /a/*",
        "subscribed to /b",
        "published #4 on /a/b: {\"text\":\"päyload\"}",
        "was to get #4 on /a/b, by /a/*",
        "#4 on /a/b was queued, 1 message waiting",
        "was to get #5 on /b, by /b",
        "#5 on /b was queued, 2 messages waiting",
        "connected over connection (long-polling), not held",
        "its connect was answered over connection with 2 messages",
        "#4 on /a/b was written to connection",
        "#5 on /b was written to connection",
        "ended, 0 messages waiting: the server stopped",
        "That was all: 21 steps, to the end of the service"
      ])
    }))

  it.effect("tells what became of a message, for each that was to get it", () =>
    Effect.gen(function*() {
      const file = freshFile()
      const names: Array<string> = []
      const acknowledging = Effect.gen(function*() {
        const bayeux = yield* wholeService
        for (const ext of [{}, { ack: true }]) {
          const { clientId = "" } = yield* ask(bayeux, { ...handshake, ext })
          names.push(clientId)
          yield* ask(bayeux, { channel: "/meta/subscribe", clientId, subscription: "/a" })
        }
        yield* publish("/a", 1)
        const connect = { channel: "/meta/connect", clientId: names[1], connectionType: "long-polling" }
        const { ext } = yield* ask(bayeux, connect)
        yield* ask(bayeux, { ...connect, ext, advice: { timeout: 0 } })
      })
      yield* record({ file, clientIds: "plain" }, acknowledging)
      const [first = "", second = ""] = names
      const told = yield* Stream.runCollect(Timeline.run(file, { sequence: 5 }))
      const short = told.map((line) => "clientId" in line ? [line._tag, line.clientId] : [line._tag])
      assert.deepStrictEqual(short[0], ["Published", null])
      assert.sameDeepMembers(short.slice(1, 5), [["Matched", first], ["Queued", first], ["Matched", second], [
        "Queued",
        second
      ]])
      assert.deepStrictEqual(short.slice(5), [["Written", second], ["Acknowledged", second], ["Lost", first], ["End"]])
    }))
})

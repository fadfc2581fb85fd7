/**
 * Connections that break at moments drawn by lot. What a client has read as a whole answer it has; everything else comes
 * again with its next connect: complete, in order, and nothing twice.
 */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { fork, spawn } from "node:child_process"
import { createServer as createHttpsServer } from "node:https"
import { fileURLToPath } from "node:url"
import { selfSigned } from "../support/certificate.ts"
import { compileCache } from "../support/compileCache.ts"
import { limit, seeds } from "../support/seeds.ts"
import type { DroppingOptions } from "./droppingSubscriber.ts"
import {
  atEnd,
  begin,
  bindSocket,
  type CutLog,
  type CutNews,
  Cutter,
  type CutterOptions,
  fayeHandshake,
  flawIn,
  type Numbered,
  numbersIn,
  openSocket,
  random,
  releaseAll,
  serve,
  until,
  within
} from "./support.ts"

afterEach(releaseAll)

const support = fileURLToPath(new URL("./support.ts", import.meta.url))
const longest = 120_000

/** Publishes numbers at moments that are drawn by lot, some with so much beside them that an answer takes several writes. */
const publishNumbers = async (publish: (data: Numbered) => Promise<void>, seed: number, isOver: () => boolean) => {
  const { below, chance } = random(seed)
  const padding = "x".repeat(300_000)
  let n = 0
  while (!isOver()) {
    await publish({ n: ++n, ...(chance(0.08) ? { padding } : {}) })
    await new Promise<void>((resolve) => {
      const pause = below(6)
      if (pause === 0) setImmediate(resolve)
      else setTimeout(resolve, pause - 1)
    })
  }
  await publish({ n: ++n, last: true })
  return n
}

type Run = (options: CutterOptions, tell: (news: CutNews) => void) => Promise<CutLog>

const inSameProcess: Run = (options, tell) => {
  const cutter = new Cutter(options)
  atEnd(() => cutter.destroy())
  return cutter.run(tell)
}

const inOtherProcess: Run = (options, tell) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [support, JSON.stringify(options)], {
      env: { ...process.env, ...compileCache },
      stdio: ["ignore", "inherit", "inherit", "ipc"]
    })
    atEnd(() => child.kill("SIGKILL"))
    child.on("message", (message) =>
      message === "ready" || message === "enough" ? tell(message) : resolve(message as CutLog))
    child.on("exit", (code) =>
      reject(new Error(`The process of the client ended with ${code}`)))
  })

/** Has a client connect and cut while another one publishes, until everything is there. */
const trial = async (run: Run, seed: number, options: Pick<CutterOptions, "ids" | "keepAlive" | "manner">) => {
  const server = await serve()
  const clientId = await begin(server, "/numbers", options.ids === "repeated" ? fayeHandshake : {})
  const publisher = await openSocket(server)
  const publish = async (data: Numbered) => void publisher.send({ channel: "/numbers", data })
  let isOver = false
  atEnd(() => isOver = true)
  let publishing: Promise<number> | undefined
  const running = run({ ...options, port: server.port, clientId, seed, cuts: 200 }, (news) => {
    if (news === "ready") publishing = publishNumbers(publish, seed, () => isOver)
    else isOver = true
  })
  const log = await within("all messages", running, longest)
  return { log, count: await publishing ?? 0 }
}

const places = [["in the same process", inSameProcess], ["in another process", inOtherProcess]] as const

describe.each(places)("a client of Faye's kind %s that cuts its connections", (_, run) => {
  it.each(
    [["keep-alive", "always"], ["Connection: close", "never"], ["both by turns", "mixed"]] as const
  )("loses nothing by 200 cuts at random moments with %s", { timeout: limit(longest) }, async (_, keepAlive) => {
    for (const seed of seeds(1)) {
      const { count, log } = await trial(run, seed, { keepAlive, manner: "cut", ids: "repeated" })
      assert.isUndefined(flawIn(log.received, count), `seed ${seed}`)
      assert.isAtLeast(log.before + log.during, 200)
      assert.isAbove(log.during, 0, `no answer was cut in the middle (seed ${seed})`)
      assert.isAbove(log.after, 0, `no connection was closed after its answer (seed ${seed})`)
    }
  })
})

const leaving = [
  ["keep-alive", "always", "leave", "closes", "none"],
  ["Connection: close", "never", "leave", "closes", "none"],
  ["keep-alive", "always", "reset", "resets", "repeated"],
  ["Connection: close", "never", "reset", "resets", "repeated"]
] as const

describe.each(places)("a client %s that reads each answer and ends its connection", (_, run) => {
  it.each(leaving)(
    "gets nothing twice with %s (%s, %s) when it %s it and its ids are %s",
    { timeout: limit(longest) },
    async (_, keepAlive, manner, _how, ids) => {
      for (const seed of seeds(1)) {
        const { count, log } = await trial(run, seed, { keepAlive, manner, ids })
        assert.isUndefined(flawIn(log.received, count), `seed ${seed}`)
        assert.isAtLeast(log.after, 200)
      }
    }
  )

  it.each([["keep-alive", "always"], ["Connection: close", "never"]] as const)(
    "gets at most one answer twice with %s when it resets the connection and gives no information by ids",
    { timeout: limit(longest) },
    async (_, keepAlive) => {
      for (const seed of seeds(1)) {
        const { count, log } = await trial(run, seed, { keepAlive, manner: "reset", ids: "none" })
        const { received } = log
        const again = received.findIndex((n, at) => received.indexOf(n) < at)
        const twice = received.length - new Set(received).size
        assert.strictEqual(new Set(received).size, count, `seed ${seed}: something was lost`)
        assert.deepStrictEqual(
          received.slice(again, again + twice),
          received.slice(again - twice, again),
          `seed ${seed}`
        )
        assert.isAtLeast(log.after, 200)
      }
    }
  )
})

/** Starts a subscriber that drops its connection while it reads; gives its session, and what it has read. */
const startDropping = async (options: DroppingOptions) => {
  const child = fork(fileURLToPath(new URL("./droppingSubscriber.ts", import.meta.url)), [JSON.stringify(options)], {
    env: { ...process.env, ...compileCache }
  })
  atEnd(() => child.kill("SIGKILL"))
  const nextMessage = () => new Promise<unknown>((resolve) => child.once("message", resolve))
  const clientId = await within("a session", nextMessage()) as string
  return { clientId, read: within("what was read", nextMessage()) as Promise<ReadonlyArray<number>> }
}

describe.each(
  [["over TLS, of 200 times 3 kB", true, 200, 3_000], ["over TCP, of 30 times 400 kB", false, 30, 400_000]] as const
)("a WebSocket that is cut in the middle of a burst %s", (_, isTls, count, length) => {
  it("gets nothing again that it has read", { timeout: limit(longest) }, async () => {
    const { cert, key } = isTls ? selfSigned() : { cert: undefined, key: undefined }
    const server = await serve(isTls ? { node: { createServer: () => createHttpsServer({ cert, key }) } } : {})
    const options = isTls ? { ca: cert } : {}
    const publisher = await openSocket(server, options)
    const padding = "x".repeat(length)
    let published = 0
    for (const seed of seeds(5)) {
      const { below } = random(seed)
      const channel = `/a${seed}`
      const first = await startDropping({ url: server.url, channel, ca: cert, cutAt: 3 + below(24) })
      await until("it to be attached", async () => (await server.session(first.clientId))?.link === "Attached")
      for (let n = 1; n <= count; n++) publisher.send({ channel, data: { n, padding } })
      const read = await first.read
      published += count
      await until("all to be published", () => publisher.messages.length >= published)
      await until("the cut to be noticed", async () => (await server.session(first.clientId))?.link === "Detached")
      const next = await openSocket(server, options)
      await bindSocket(server, next, first.clientId)
      await server.publish(channel, { n: count + 1 })
      await until("the last one", () => numbersIn(next.data).includes(count + 1))
      const twice = numbersIn(next.data).filter((n) => read.includes(n))
      assert.deepStrictEqual(twice, [], `cut after ${read.length} (seed ${seed})`)
      next.ws.terminate()
    }
  })
})

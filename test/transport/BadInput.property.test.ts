/** Random bytes, bodies, targets and messages. */
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Agent } from "node:http"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { limit, seeds } from "../support/seeds.ts"
import { besideNeighbours, formType, json, server } from "./neighbours.ts"
import {
  clientFrame,
  connectRaw,
  connectRawWebSocket,
  messagesInFrames,
  nextTurn,
  post,
  request,
  until
} from "./support.ts"

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

const heap = async (): Promise<number> => {
  for (let i = 0; i < 5; i++) {
    await nextTurn()
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

besideNeighbours("a server that is sent anything", () => {
  describe("random input", () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const clientIds: Array<string> = []
    afterAll(() => agent.destroy())

    const channel = fc.oneof(
      fc.constantFrom(
        "/meta/handshake",
        "/meta/connect",
        "/meta/subscribe",
        "/meta/unsubscribe",
        "/meta/disconnect",
        "/meta/x",
        "/service/x",
        "/a",
        "/a/*",
        "/**"
      ),
      fc.string({ unit: "binary" }),
      fc.array(fc.string({ maxLength: 3 }), { maxLength: 100 }).map((segments) => `/${segments.join("/")}`)
    )
    const json5 = fc.jsonValue({ maxDepth: 4 })
    const field = <A>(likely: fc.Arbitrary<A>) =>
      fc.oneof({ weight: 3, arbitrary: likely }, { weight: 1, arbitrary: json5 })
    const known = fc.nat(20).map((at) => clientIds[at] ?? "unknown")
    const message = fc.oneof(
      json5,
      fc.record({
        channel: field(channel),
        clientId: field(known),
        id: json5,
        version: field(fc.constantFrom("1.0", "0.1", "1.x")),
        supportedConnectionTypes: field(fc.constant(["long-polling", "websocket"])),
        connectionType: field(fc.constantFrom("long-polling", "websocket", "eventsource", "callback-polling")),
        subscription: field(fc.oneof(channel, fc.array(channel))),
        advice: field(fc.record({ timeout: fc.oneof(fc.constant(0), json5) })),
        data: json5,
        ext: json5
      }, { requiredKeys: [] })
    )
    const messages = fc.array(message, { maxLength: 30 })
    const type = fc.constantFrom("application/json", formType, "text/plain", "text/html", "")
    const bytes = fc.uint8Array({ maxLength: 300 })
    const target = fc.oneof(
      fc.webPath(),
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
      fc.string({ unit: "binary-ascii" }),
      fc.string({ unit: "binary-ascii" }).map((tail) => `/bayeux${tail}`),
      fc.string({ unit: "binary" }).map((query) =>
        `/bayeux?message=${encodeURIComponent(Buffer.from(query).toString())}&jsonp=f`
      )
    )

    const [firstSeed = 1, ...others] = seeds(3)
    const statuses = [200, 400, 404, 405, 408, 413, 415, 417, 426, 431, 501, 505]
    let checks = 0
    /** Each send goes on its own; several are on their way at once. */
    const check = <A>(arbitrary: fc.Arbitrary<A>, attempt: (value: A) => Promise<void>) =>
      Promise.all(Array.from({ length: 4 }, () => {
        const seed = firstSeed + checks++
        return fc.assert(fc.asyncProperty(arbitrary, attempt), { seed, numRuns: 40 })
      }))

    const postMessages = () =>
      check(messages, async (batch) => {
        const { messages, status } = await post(server, batch, { agent })
        assert.strictEqual(status, 200)
        for (const { channel, clientId, successful } of messages) {
          if (channel === "/meta/handshake" && successful === true && clientId !== undefined) {
            clientIds[clientIds.length % 20] = clientId
          }
        }
      })

    const postBodies = () =>
      check(fc.tuple(bytes, type), async ([body, contentType]) => {
        const headers = contentType === "" ? {} : { "Content-Type": contentType }
        const { status } = await request(server.url, { method: "POST", headers, body: Buffer.from(body), agent })
        assert.include(statuses, status)
      })

    const askTargets = () =>
      check(fc.tuple(fc.constantFrom("GET", "POST", "OPTIONS"), target), async ([method, target]) => {
        const raw = await connectRaw(server)
        raw.send(Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, "latin1"))
        assert.include(statuses, (await raw.answer()).status)
        raw.socket.destroy()
      })

    const sendRaw = () =>
      check(fc.tuple(bytes, fc.boolean()), async ([bytes, isFrame]) => {
        const raw = await connectRawWebSocket(server)
        raw.send(isFrame ? clientFrame(bytes) : bytes)
        raw.send(clientFrame("[]"))
        raw.socket.end()
        await raw.closed()
        raw.socket.destroy()
      })

    const sendMessages = () =>
      check(messages, async (batch) => {
        const raw = await connectRawWebSocket(server)
        raw.send(clientFrame(json(batch)))
        raw.send(clientFrame(json([{ channel: "/meta/x", id: "last" }])))
        await until(
          "the last reply",
          () => raw.isClosed || messagesInFrames(raw.received).some(({ id }) => id === "last")
        )
        raw.socket.destroy()
      })

    const round = async () => {
      await postMessages()
      await postBodies()
      await askTargets()
      await sendRaw()
      await sendMessages()
    }

    it(
      "gets a status or a close, thousands of times, and leaves nothing behind",
      { timeout: limit(180_000) },
      async () => {
        const settled = async () => {
          await until("the sessions to end", async () => (await server.sessions()).length === 2)
          return heap()
        }
        await round()
        const before = await settled()
        for (const _ of others) await round()
        const after = await settled()
        assert.isBelow(after - before, 8_000_000, "the heap has grown")
      }
    )
  })
})

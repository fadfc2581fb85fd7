/**
 * Clients that follow the advice, through the shell: with extensions, with sockets that sessions share. What holds for
 * the machine alone is in `core/Obedience.property.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { TestClock } from "effect/testing"
import type { Reply } from "../../src/core/Message.ts"
import * as MemoryEngine from "../../src/engine/MemoryEngine.ts"
import * as Monitor from "../../src/monitor/Monitor.ts"
import * as Bayeux from "../../src/service/Bayeux.ts"
import { type Extension, type Handler, refuse } from "../../src/service/Extension.ts"
import { connect, handshake, layerTransports, Peer, type Service, turn, wholeService } from "../engine/laws.ts"

const layer = layerTransports.pipe(
  Layer.provideMerge(Bayeux.layer({ timeout: 2_000, sessionTimeout: "1 minute" })),
  Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
)

/** No client may make more requests in a second: when it begins it shakes hands, connects and is superseded. */
const most = 4

/** A client that begins with a handshake, or with the session of another one, over a socket or by exchanges. */
class Obedient {
  readonly #bayeux: Service
  readonly #socket: Peer | undefined
  clientId: string | undefined
  requests = 0
  heard = 0

  constructor(bayeux: Service, socket?: Peer, clientId?: string) {
    this.#bayeux = bayeux
    this.#socket = socket
    this.clientId = clientId
  }

  #ask(message: object): Effect.Effect<Reply> {
    const id = `${this.clientId}:${this.requests++}`
    const peer = this.#socket ?? new Peer(this.#bayeux, { kind: "exchange" })
    peer.send({ ...message, id })
    const answer = () => peer.replies.find((reply) => reply.id === id)
    return Effect.gen({ self: this }, function*() {
      while (answer() === undefined) yield* Effect.sleep(1)
      if (this.#socket === undefined) this.heard += peer.data.length
      return answer() as Reply
    })
  }

  /** Does what it is told, for ever. */
  readonly run: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    for (;;) {
      const kind = this.#socket === undefined ? "exchange" : "socket"
      const reply = yield* this.#ask(this.clientId === undefined ? handshake : connect(this.clientId, kind))
      if (reply.channel === "/meta/handshake") this.clientId = reply.clientId
      if (reply.advice?.reconnect === "handshake") this.clientId = undefined
      if (reply.advice?.reconnect === "none") return
      yield* Effect.sleep(reply.advice?.interval ?? 0)
    }
  })
}

/** Lets the clients go on for ten seconds, and sees that none is in a hurry. */
const watch = (clients: ReadonlyArray<Obedient>): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    for (const client of clients) yield* Effect.forkScoped(client.run)
    for (let second = 0; second < 10; second++) {
      const before = clients.map(({ requests }) => requests)
      for (let i = 0; i < 100; i++) yield* Effect.andThen(TestClock.adjust(10), turn)
      for (const [i, { requests }] of clients.entries()) assert.isAtMost(requests - (before[i] ?? 0), most)
    }
    for (const { requests } of clients) assert.isAbove(requests, 1, "it goes on")
  })

const scenario = (sentence: string, run: (bayeux: Service) => Effect.Effect<void, never, Scope.Scope>): void =>
  it.effect(sentence, () => Effect.provide(Effect.flatMap(wholeService, run), layer))

const on = (channel: string, treat: Handler): Extension => ({
  name: "test",
  incoming: (message, context) => message["channel"] === channel ? treat(message, context) : Effect.succeed(message)
})

const session = (bayeux: Service): Effect.Effect<string> =>
  Effect.gen(function*() {
    const client = new Peer(bayeux, { kind: "exchange" }).send(handshake)
    yield* turn
    const clientId = client.replies[0]?.clientId ?? ""
    new Peer(bayeux, { kind: "exchange" }).send({ channel: "/meta/subscribe", clientId, subscription: "/a" })
    yield* turn
    return clientId
  })

describe("obedient clients do not spin", () => {
  for (const channel of ["/meta/handshake", "/meta/connect"]) {
    for (const [how, treat] of [["refuses", () => refuse("No")], ["fails", () => Effect.die("away")]] as const) {
      for (const kind of ["exchange", "socket"] as const) {
        scenario(`over an ${kind} where an extension ${how} on ${channel}`, (bayeux) =>
          Effect.gen(function*() {
            yield* bayeux.addExtension(on(channel, treat))
            const socket = () => kind === "socket" ? new Peer(bayeux, { kind }) : undefined
            yield* watch([new Obedient(bayeux, socket()), new Obedient(bayeux, socket())])
          }))
      }
    }
  }

  for (const kinds of [["exchange", "exchange"], ["socket", "socket"], ["exchange", "socket"], ["same", "same"]]) {
    scenario(
      `that share a session, over ${kinds.join(" and ")}, and nothing is lost or late`,
      (bayeux) =>
        Effect.gen(function*() {
          const clientId = yield* session(bayeux)
          const shared = new Peer(bayeux, { kind: "socket" })
          const peers = kinds.map((kind) =>
            kind === "exchange" ? undefined : kind === "same" ? shared : new Peer(bayeux, { kind: "socket" })
          )
          const clients = peers.map((peer) => new Obedient(bayeux, peer, clientId))
          yield* Effect.forkScoped(
            Effect.forever(Effect.andThen(Effect.orDie(bayeux.publish("/a", 1)), Effect.sleep(5_000)))
          )
          yield* watch(clients)
          const heard = clients.reduce((sum, client) => sum + client.heard, 0) +
            [...new Set(peers)].reduce((sum, peer) => sum + (peer?.data.length ?? 0), 0)
          assert.isAtLeast(heard, 2)
        })
    )
  }

  scenario(
    "that share a socket, more of them than it has room for, and each gets its messages",
    (bayeux) =>
      Effect.gen(function*() {
        const socket = new Peer(bayeux, { kind: "socket" })
        const clientIds: Array<string> = []
        for (let i = 0; i < 103; i++) clientIds.push(yield* session(bayeux))
        for (const clientId of clientIds.slice(0, 101)) socket.send(connect(clientId, "socket"))
        const clients = [0, 101, 102].map((i) => new Obedient(bayeux, socket, clientIds[i]))
        yield* watch(clients)
        yield* Effect.orDie(bayeux.publish("/a", 1))
        for (let i = 0; i < 300; i++) yield* Effect.andThen(TestClock.adjust(10), turn)
        assert.strictEqual(socket.data.length, clientIds.length, "a second or two later at the most")
      })
  )
})

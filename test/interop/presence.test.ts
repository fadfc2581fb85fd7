/** Who is there, with the clients that people use: each says who it is with its handshake, as their manuals have it. */
import { assert, describe, it } from "@effect/vitest"
import { CometD } from "cometd"
import { adapt } from "cometd-nodejs-client"
import { Effect, Layer, ManagedRuntime, Stream } from "effect"
import { Client as FayeClient } from "faye"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Presence, Transports } from "../../src/index.ts"
import { type Client, openCometd, openFaye } from "../support/clients.ts"
import { identities } from "../support/identities.ts"
import { atEnd, releaseLater, until } from "../transport/support.ts"

adapt()

type Open = (url: string, transport: string, user: string) => Promise<Client>

const withUser = <M extends { readonly channel?: string }>(message: M, user: string): M =>
  message.channel === "/meta/handshake" ? { ...message, ext: { user } } : message

const faye: Open = (url, transport, user) =>
  openFaye(FayeClient, { url, transport, retry: 100 }, {
    outgoing: (message, callback) => callback(withUser(message, user))
  })

const cometd: Open = (url, transport, user) =>
  openCometd(CometD, { url, transport, retry: 100 }, { outgoing: (message) => withUser(message, user) })

const start = async () => {
  const runtime = ManagedRuntime.make(
    NodeServer.layer({ port: 0 }).pipe(
      Layer.provide(Layer.mergeAll(Transports.layer, Bayeux.layerExtensions(identities))),
      Layer.provide(Bayeux.layer()),
      Layer.provideMerge(Presence.layer({ gracePeriod: "700 millis" })),
      Layer.provide(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
    )
  )
  atEnd(() => runtime.dispose())
  const { url } = await runtime.runPromise(NodeServer.NodeServer)
  const told: Array<string> = []
  runtime.runFork(
    Presence.Presence.use(({ watch }) =>
      Stream.runForEach(
        watch("/rooms/7"),
        (what) =>
          Effect.sync(() => void told.push(what._tag === "Present" ? what._tag : `${what._tag} ${what.identity}`))
      )
    )
  )
  await until("the beginning", () => told.length > 0)
  return { url, told }
}

describe.each(
  [
    ["Faye over WebSocket", faye, "websocket"],
    ["Faye over long polling", faye, "long-polling"],
    ["CometD over WebSocket", cometd, "websocket"],
    ["CometD over long polling", cometd, "long-polling"]
  ] as const
)("presence of %s", (_, open, transport) => {
  it("knows tabs as one member, and a page change as no leave", async () => {
    const release = releaseLater()
    try {
      const { told, url } = await start()
      const enter = async (user: string) => {
        const client = await open(url, transport, user)
        atEnd(() => client.close())
        assert.strictEqual(await client.subscribe("/rooms/*"), "accepted")
        return client
      }
      const [page, tab] = [await enter("alice"), await enter("alice")]
      await tab.disconnect()
      await page.disconnect()
      const next = await enter("alice")
      const bob = await enter("bob")
      await bob.unsubscribe("/rooms/*")
      await until("bob's leave", () => told.includes("Leave bob"))
      await next.disconnect()
      await until("alice's leave", () => told.includes("Leave alice"))
      assert.deepStrictEqual(told, ["Present", "Join alice", "Join bob", "Leave bob", "Leave alice"])
    } finally {
      await release()
    }
  })
})

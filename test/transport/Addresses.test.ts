// @effect-diagnostics anyUnknownInErrorContext:off -- tests build layers of any kind
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Schema } from "effect"
import type { IncomingMessage } from "node:http"
import { Bayeux, type Extension, Transports } from "../../src/index.ts"
import * as Addresses from "../../src/transport/Addresses.ts"
import { handshakeMessage, openSocket, post, releaseAll, serve, until } from "./support.ts"

afterEach(releaseAll)

const addressOf = (
  proxies: Addresses.TrustedProxies,
  peer: string | undefined,
  headers: { readonly [name: string]: string }
) => Addresses.make(proxies)({ socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage)

describe("the address of a client", () => {
  const xff = (list: string) => ({ "x-forwarded-for": list })

  it.each(
    [
      ["is the peer's without proxies, whatever a header says", [], "192.0.2.1", xff("1.1.1.1"), "192.0.2.1"],
      ["is the peer's if that is no trusted proxy", ["10.0.0.1"], "192.0.2.1", xff("1.1.1.1"), "192.0.2.1"],
      ["is named by a trusted proxy", ["10.0.0.1"], "10.0.0.1", xff("192.0.2.7"), "192.0.2.7"],
      ["is not what the client has put before it", ["10.0.0.1"], "10.0.0.1", xff("1.1.1.1, 192.0.2.7"), "192.0.2.7"],
      ["is found through several proxies", ["10.0.0.0/8"], "10.0.0.1", xff("192.0.2.7, 10.9.9.9"), "192.0.2.7"],
      ["is the proxy's if it names nobody", ["10.0.0.0/8"], "10.0.0.1", {}, "10.0.0.1"],
      ["is the proxy's if it names nonsense", ["10.0.0.0/8"], "10.0.0.1", xff("unknown"), "10.0.0.1"],
      ["is IPv4 also on an IPv6 socket", ["loopback"], "::ffff:127.0.0.1", xff("192.0.2.7:4711"), "192.0.2.7"],
      ["is IPv6", ["loopback"], "::1", xff("2001:db8::1"), "2001:db8::1"],
      ["is named by Forwarded", ["loopback"], "::1", {
        forwarded: "for=1.1.1.1, for=\"[2001:db8::1]:4711\";proto=https"
      }, "2001:db8::1"],
      ["is named over a Unix socket", ["unix"], undefined, xff("192.0.2.7"), "192.0.2.7"],
      ["is not named over a Unix socket that nobody trusts", ["loopback"], undefined, xff("192.0.2.7"), undefined]
    ] as const
  )("%s", (_, proxies, peer, headers, expected) => {
    assert.strictEqual(addressOf(proxies, peer, headers), expected)
  })

  it.each(["10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "loopback", "unix"])("takes %s for a proxy", (proxy) => {
    assert.isTrue(Result.isSuccess(Schema.decodeUnknownResult(Addresses.TrustedProxies)([proxy])))
  })

  it.each(["10.0.0", "10.0.0.0/33", "proxy.example", ""])("does not take %j for a proxy", (proxy) => {
    assert.isTrue(Result.isFailure(Schema.decodeUnknownResult(Addresses.TrustedProxies)([proxy])))
  })
})

describe("extensions", () => {
  it("see the address that a trusted proxy names, for requests and sockets", async () => {
    const seen: Array<string | undefined> = []
    const witness: Extension.Extension = {
      name: "witness",
      incoming: (message, { request }) => Effect.sync(() => (seen.push(request?.remoteAddress), message))
    }
    const transports = Layer.merge(Transports.layer, Bayeux.layerExtensions(witness))
    const headers = { "X-Forwarded-For": "1.1.1.1, 192.0.2.7" }
    for (const trustedProxies of [["loopback"], []]) {
      const server = await serve({ transports, node: { trustedProxies } })
      await post(server, [handshakeMessage], { headers })
      const socket = await openSocket(server, { headers })
      socket.send(handshakeMessage)
    }
    await until("all handshakes", () => seen.length === 4)
    assert.deepStrictEqual(seen, ["192.0.2.7", "192.0.2.7", "127.0.0.1", "127.0.0.1"])
  })
})

// @effect-diagnostics anyUnknownInErrorContext:off -- tests build layers of any kind
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Extension } from "../../src/index.ts"
import { Bayeux, Transports } from "../../src/index.ts"
import type { Origins } from "../../src/transport/Origins.ts"
import { handshakeMessage, openSocket, post, releaseAll, request, serve, type Server } from "./support.ts"

afterEach(releaseAll)

type Headers = { readonly [name: string]: string }

const jsonpQuery = `?message=${encodeURIComponent(JSON.stringify([handshakeMessage]))}&jsonp=f`

/** The status of a request by each transport. A WebSocket that opens has 101. */
const ask: { readonly [transport: string]: (server: Server, headers: Headers) => Promise<number> } = {
  "long-polling": async (server, headers) => (await post(server, [handshakeMessage], { headers })).status,
  "a preflight": async (server, headers) =>
    (await request(server.url, { method: "OPTIONS", headers: { "Access-Control-Request-Method": "POST", ...headers } }))
      .status,
  "callback-polling": async (server, headers) => (await request(`${server.url}${jsonpQuery}`, { headers })).status,
  "eventsource": async (server, headers) => {
    const stream = { Accept: "text/event-stream", ...headers }
    return (await request(`${server.url}/unknown`, { headers: stream })).status
  },
  "websocket": (server, headers) =>
    openSocket(server, { headers }).then(
      () => 101,
      (error: unknown) => Number(/\d{3}/.exec(String(error))?.[0])
    )
}

const names = Object.keys(ask)
const statuses = async (server: Server, headers: Headers) => {
  const found: Array<readonly [string, number]> = []
  for (const name of names) found.push([name, await (ask[name] ?? assert.fail())(server, headers)])
  return Object.fromEntries(found)
}
const admitted = {
  "long-polling": 200,
  "a preflight": 200,
  "callback-polling": 200,
  "eventsource": 200,
  "websocket": 101
}
const refused = Object.fromEntries(names.map((name) => [name, 403]))

const evil = "http://evil.example"

describe("origins", () => {
  const cases: ReadonlyArray<readonly [who: string, origins: Origins, headers: Headers, isAdmitted: boolean]> = [
    ["a program", [], {}, true],
    ["a program", "loopback", { Host: "bayeux.example" }, true],
    ["a page of any origin", "any", { Origin: evil, "Sec-Fetch-Site": "cross-site" }, true],
    ["a page that is listed", ["https://app.example"], { Origin: "https://app.example" }, true],
    ["a page that is not listed", ["https://app.example"], { Origin: evil }, false],
    ["a page of another scheme", ["https://app.example"], { Origin: "http://app.example" }, false],
    ["a page of another port", ["https://app.example"], { Origin: "https://app.example:8443" }, false],
    ["a page of the server", [], { Origin: "http://bayeux.example", Host: "bayeux.example" }, true],
    ["a script of the server's page", [], { "Sec-Fetch-Site": "same-origin", Host: "bayeux.example" }, true],
    ["a script of a page without a referrer", [], { "Sec-Fetch-Site": "cross-site" }, false],
    ["a script of a listed page", ["https://app.example"], {
      "Sec-Fetch-Site": "cross-site",
      "Referer": "https://app.example/chat"
    }, true],
    ["a script of another page", ["https://app.example"], { "Sec-Fetch-Site": "cross-site", "Referer": evil }, false],
    ["a file, if files are listed", ["null"], { Origin: "null" }, true],
    ["a sandbox", ["https://app.example"], { Origin: "null" }, false],
    ["a page of this machine", "loopback", { Origin: "http://localhost:3000" }, true],
    ["a page of this machine by its number", "loopback", { Origin: "http://127.0.0.1:3000" }, true],
    ["a page of this machine through a proxy", "loopback", { Origin: "http://localhost:3000", Host: "bayeux" }, true],
    ["a page of another machine", "loopback", { Origin: evil }, false],
    ["a page whose name has become this machine's", "loopback", { Origin: evil, Host: "evil.example" }, false],
    ["a script of such a page", "loopback", { "Sec-Fetch-Site": "same-origin", Host: "evil.example" }, false],
    ["a name that begins as this machine's", "loopback", { Origin: "http://localhost.evil.example" }, false]
  ]
  for (const [who, origins, headers, isAdmitted] of cases) {
    const result = isAdmitted ? "lets in" : "does not let in"
    it(`${JSON.stringify(origins)} ${result} ${who}: ${JSON.stringify(headers)}`, async () => {
      const server = await serve({ node: { origins } })
      assert.deepStrictEqual(await statuses(server, headers), isAdmitted ? admitted : refused)
    })
  }

  it("refuse a page before any of its messages, in an answer that it cannot read", async () => {
    const server = await serve({ node: { origins: ["https://app.example"] } })
    const { headers, status, text } = await post(server, [handshakeMessage], { headers: { Origin: evil } })
    assert.strictEqual(status, 403)
    assert.match(text, /add it to the option "origins"/)
    assert.isUndefined(headers["access-control-allow-origin"])
    assert.deepStrictEqual(await server.sessions(), [])
  })

  it("leave health and Faye's client to everybody", async () => {
    const server = await serve({ node: { origins: [] } })
    for (const path of ["/health", "/client.js"]) {
      assert.strictEqual((await request(`${server.url}${path}`, { headers: { Origin: evil } })).status, 200)
    }
  })

  it("that are not valid are refused when the server is built", async () => {
    const error: unknown = await serve({ node: { origins: ["app.example/"] } }).then(() => undefined, (error) => error)
    assert.match(String(error), /an origin such as "https:\/\/app\.example"/)
  })
})

describe("what a browser adds by itself", () => {
  const credentials = { Cookie: "session=1", Authorization: "Basic YTpi" }

  /** What extensions see of the credentials of a handshake. */
  const seen = async (headers: Headers, origins?: Origins) => {
    const found: Array<unknown> = []
    const extension: Extension.Extension = {
      name: "witness",
      incoming: (message, { request }) => {
        found.push([request?.headers.cookie, request?.headers.authorization])
        return Effect.succeed(message)
      }
    }
    const server = await serve({
      transports: Layer.merge(Transports.layer, Bayeux.layerExtensions(extension)),
      ...(origins === undefined ? {} : { node: { origins } })
    })
    await post(server, [handshakeMessage], { headers })
    return found[0]
  }

  it("is not seen where the page is a stranger's, whose own token is", async () => {
    assert.deepStrictEqual(await seen({ ...credentials, Origin: evil }), [undefined, undefined])
    assert.deepStrictEqual(await seen({ ...credentials, Authorization: "Bearer x", Origin: evil }), [
      undefined,
      "Bearer x"
    ])
  })

  it("is seen of programs, of the server's own pages and of those that are listed", async () => {
    const all = [credentials.Cookie, credentials.Authorization]
    assert.deepStrictEqual(await seen(credentials), all)
    assert.deepStrictEqual(await seen({ ...credentials, Origin: "http://a.example", Host: "a.example" }), all)
    assert.deepStrictEqual(await seen({ ...credentials, Origin: "https://app.example" }, ["https://app.example"]), all)
  })
})

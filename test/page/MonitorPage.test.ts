/** The server of the monitor page by plain HTTP: its data, its secrets, its access checks. */
import { afterEach, assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Redacted } from "effect"
import { createServer } from "node:http"
import { networkInterfaces } from "node:os"
import { Bayeux } from "../../src/index.ts"
import * as MonitorPage from "../../src/page/MonitorPage.ts"
import { askEnd, onlyName, openFeed, servePage } from "../monitor/support.ts"
import {
  atEnd,
  begin,
  beginSocket,
  holdConnect,
  poll,
  post,
  releaseAll,
  request,
  serverLayer,
  stopwatch,
  subscribeMessage,
  until
} from "../transport/support.ts"

afterEach(releaseAll)

const token = "correct horse battery staple"
const withToken = { page: { token: Redacted.make(token) } }
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` })

/** Logs in by the form and returns the answer. */
const logIn = (page: string, token: string, headers = {}) =>
  request(`${page}login`, {
    method: "POST",
    body: new URLSearchParams({ token }).toString(),
    headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers }
  })

describe("the data of the page", () => {
  it("counts sessions, subscriptions and messages correctly, whenever the page is opened", async () => {
    const server = await servePage()
    await begin(server, ["/a", "/rooms/**"])
    const early = await openFeed(server.page)
    await beginSocket(server, "/rooms/**")
    for (let n = 0; n < 10; n++) await server.publish("/rooms/one", n)
    await server.publish("/b", null)
    const late = await openFeed(server.page)
    for (const feed of [early, late]) {
      const { channels } = await feed.expect(
        "now",
        ({ sessions, subscriptions }) => sessions === 2 && subscriptions === 3
      )
      assert.strictEqual(channels, 2)
      const second = await feed.expect("tables", ({ channels }) => channels.some(({ rate }) => rate > 0))
      const rows = new Map(second.channels.map(({ channel, ...row }) => [channel, row]))
      assert.strictEqual(rows.get("/rooms/**")?.subscribers, 2)
      assert.strictEqual(rows.get("/rooms/**")?.rate, rows.get("/rooms/one")?.rate, "a pattern has what it matches")
      assert.deepInclude(rows.get("/a"), { subscribers: 1, rate: 0 })
      assert.strictEqual(rows.get("/b")?.subscribers, 0)
    }
    assert.strictEqual((await early.expect("now", ({ messages }) => messages > 10)).messages, 11)
    const { point } = await early.expect("second", ({ point: [, , , messages] }) => messages === 0)
    assert.deepStrictEqual(point.slice(1), [2, 3, 0])
  })

  it("names the process as its events do", async () => {
    const { page } = await servePage({ monitor: { node: "eu-1" } })
    assert.strictEqual((await openFeed(page)).all("hello")[0]?.node, "eu-1")
  })

  it("has the seconds before it was opened", async () => {
    const server = await servePage()
    await begin(server, "/a")
    const first = await openFeed(server.page)
    await first.expect("second", ({ point: [, sessions] }) => sessions === 1)
    const { points } = (await openFeed(server.page)).all("hello")[0] ?? { points: [] }
    assert.deepStrictEqual(points.at(-1)?.slice(1, 3), [1, 1])
  })

  it("has each event, with its cause", async () => {
    const server = await servePage()
    const feed = await openFeed(server.page)
    const clientId = await begin(server, "/a")
    await server.publish("/a", { secret: "swordfish" })
    await post(server, [{ channel: "/meta/unsubscribe", clientId, subscription: "/a" }])
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(clientId, "enough")))
    await until("all events", () => feed.rows.length === 5)
    const [handshake] = feed.rows
    const session = handshake?.session ?? ""
    assert.match(session, /^[0-9a-f]{16}$/)
    assert.deepStrictEqual<unknown>(feed.rows.map(({ at: _at, sequence: _sequence, ...row }) => row), [
      { kind: "Handshake", session },
      { kind: "Subscribe", session, channel: "/a" },
      { kind: "Publish", session: null, channel: "/a", data: "object, 1 field" },
      { kind: "Unsubscribe", session, channel: "/a", cause: { _tag: "ClientRequest" }, withSession: false },
      { kind: "Disconnect", session, cause: { _tag: "Kicked", reason: "enough" } }
    ])
    assert.deepStrictEqual(feed.rows.map(({ sequence }) => sequence), [1, 2, 3, 4, 5])
    assert.notInclude(feed.text, "swordfish", "what messages carry is shown only if one wants it")
  })

  it("has the beginning of the data of messages with showData", async () => {
    const server = await servePage({ page: { showData: true } })
    const feed = await openFeed(server.page)
    await server.publish("/a", { text: "hello", list: [1, null, { a: true }] })
    await server.publish("/b", { text: "x".repeat(100_000), more: "y" })
    await until("both", () => feed.rows.length === 2)
    const [short, long] = feed.rows.map(({ data = "" }) => data)
    assert.strictEqual(short, "{\"text\": \"hello\", \"list\": [1, null, {\"a\": true}]}")
    assert.match(long ?? "", /^\{"text": "x{180,200}…", …\}$/)
  })

  it("has the number of events of a sample, and samples each kind separately", async () => {
    const server = await servePage()
    const feed = await openFeed(server.page)
    await server.run(
      Effect.flatMap(
        Bayeux.Bayeux,
        (bayeux) => Effect.forEach(Array.from({ length: 1000 }), () => bayeux.publish("/a", 1), { discard: true })
      )
    )
    await begin(server)
    await until("all of it", () => sum(feed.all("events").map(({ matched }) => matched)) === 1001)
    assert.isBelow(feed.rows.filter(({ kind }) => kind === "Publish").length, 200)
    assert.strictEqual(feed.rows.filter(({ kind }) => kind === "Handshake").length, 1)
  })

  it("lists sessions with their queues, the longest first", async () => {
    const server = await servePage()
    const slow = await begin(server, "/a")
    await beginSocket(server, "/b")
    await holdConnect(server, await begin(server, "/c"))
    for (let n = 0; n < 3; n++) await server.publish("/a", n)
    const feed = await openFeed(server.page)
    const { sessions } = await feed.expect("tables", ({ sessions }) => sessions[0]?.queueLength === 3)
    assert.deepStrictEqual(sessions.map(({ connectionType }) => connectionType), [null, "long-polling", "websocket"])
    assert.strictEqual((await poll(server, slow)).length, 3)
  })
})

describe("the filter of the events", () => {
  const cases: ReadonlyArray<readonly [query: string, expected: ReadonlyArray<string>]> = [
    ["", [
      "Publish /rooms/one",
      "Publish /news",
      "Handshake",
      "Subscribe /news",
      "Unsubscribe /rooms/*",
      "Disconnect",
      "Publish /rooms/end"
    ]],
    ["kind=Handshake&kind=Disconnect", ["Handshake", "Disconnect"]],
    ["channel=news", ["Publish /news", "Subscribe /news"]],
    ["channel=/rooms/*", ["Publish /rooms/one", "Unsubscribe /rooms/*", "Publish /rooms/end"]],
    ["channel=/**&kind=Publish", ["Publish /rooms/one", "Publish /news", "Publish /rooms/end"]],
    ["cause=ClientRequest", ["Unsubscribe /rooms/*", "Disconnect"]],
    ["cause=Timeout", []],
    ["session=NAME", ["Unsubscribe /rooms/*", "Disconnect"]],
    ["session=0123456789abcdef", []]
  ]

  it("selects the events that match", async () => {
    const server = await servePage()
    const clientId = await begin(server, "/rooms/*")
    const name = await onlyName(server.page)
    const feeds = await Promise.all(cases.map(([query]) => openFeed(server.page, query.replace("NAME", name))))
    await server.publish("/rooms/one", 1)
    await server.publish("/news", 1)
    await begin(server, "/news")
    await post(server, [{ channel: "/meta/disconnect", clientId }])
    await server.publish("/rooms/end", 1)
    for (const feed of feeds) {
      const before = feed.all("now").length
      await until("two more updates", () => feed.all("now").length > before + 1)
    }
    const shown = feeds.map(({ rows }) =>
      rows.map(({ channel, kind }) => channel === undefined ? kind : `${kind} ${channel}`)
    )
    assert.deepStrictEqual<unknown>(cases.map(([query], at) => [query, shown[at]]), cases)
  })
})

describe("a session of the page", () => {
  it("is shown with its subscriptions, its queue and its connection, until it has ended", async () => {
    const server = await servePage()
    const { clientId, socket } = await beginSocket(server, ["/b", "/a"])
    const name = await onlyName(server.page)
    const feed = await openFeed(server.page, `session=${name}`)
    assert.deepInclude(await feed.expect("session"), {
      _tag: "Here",
      link: "Attached",
      acknowledges: false,
      subscriptions: ["/a", "/b"]
    })
    socket.ws.terminate()
    await feed.expect("session", (state) => state._tag === "Here" && state.link === "Detached")
    await server.publish("/a", 1)
    await feed.expect("session", (state) => state._tag === "Here" && state.row.queueLength === 1)
    await post(server, [{ channel: "/meta/disconnect", clientId }])
    const ended = await feed.expect("session", ({ _tag }) => _tag === "Ended")
    assert.deepInclude(ended, { cause: { _tag: "ClientRequest" } })
    assert.deepStrictEqual(await (await openFeed(server.page, `session=${name}`)).expect("session"), { _tag: "Absent" })
  })

  it("can be ended, with a reason", async () => {
    const server = await servePage()
    const { socket } = await beginSocket(server, "/a")
    const name = await onlyName(server.page)
    const feed = await openFeed(server.page, `session=${name}`)
    const answer = await askEnd(server.page, name, "it is too loud")
    assert.deepStrictEqual([answer.status, answer.text], [200, "{\"ended\":true}"])
    assert.deepInclude(await feed.expect("session", ({ _tag }) => _tag === "Ended"), {
      cause: { _tag: "Kicked", reason: "it is too loud" }
    })
    await socket.message("to be told", ({ advice }) => advice?.reconnect === "none")
    await socket.closed()
    assert.strictEqual((await askEnd(server.page, name, "again")).status, 404)
  })

  it.each<readonly [string, unknown, Record<string, string>, number]>([
    ["without a reason", undefined, {}, 400],
    ["with an empty reason", "", {}, 400],
    ["with a reason that is no text", { a: 1 }, {}, 400],
    ["with a reason that is too long", "x".repeat(5_000), {}, 413],
    ["as a form, which any page can send", "why", { "Content-Type": "text/plain" }, 415],
    ["from a page of another origin", "why", { Origin: "http://evil.example" }, 403],
    ["from a page of another port", "why", { Origin: "http://127.0.0.1:1" }, 403],
    ["from a frame without an origin", "why", { Origin: "null" }, 403],
    ["from where the browser says", "why", { "Sec-Fetch-Site": "cross-site" }, 403],
    ["from another port, as the browser says", "why", { "Sec-Fetch-Site": "same-site" }, 403],
    ["under another name of this machine", "why", { Host: "evil.example" }, 403]
  ])("is not ended %s", async (_, reason, headers, status) => {
    const server = await servePage()
    await begin(server, "/a")
    const answer = await askEnd(server.page, await onlyName(server.page), reason, { headers })
    assert.strictEqual(answer.status, status)
    assert.strictEqual((await server.sessions()).length, 1)
  })
})

describe("a client id", () => {
  it("is in nothing that the server sends, wherever it was", async () => {
    const server = await servePage({ page: { showData: true, ...withToken.page } })
    const feed = await openFeed(server.page, "", bearer(token))
    const { clientId, socket } = await beginSocket(server, "/a")
    const other = await begin(server, `/private/${clientId}`)
    await post(server, [subscribeMessage(other, `/${clientId}/**`)])
    for (const room of ["", "x".repeat(150), "y".repeat(180), "z".repeat(190)]) {
      await server.publish(`/private/${room}/${clientId}/more`.replace("//", "/"), {
        [clientId]: [clientId, `a${clientId}`]
      })
      await server.publish("/b", `${room} ${clientId} ${other}`)
    }
    const { sessions } = await feed.expect("tables", ({ sessions }) => sessions.length === 2)
    const own = await openFeed(server.page, `session=${sessions.at(-1)?.name}`, bearer(token))
    const theirs = await openFeed(server.page, `session=${sessions.at(0)?.name}`, bearer(token))
    await own.expect("session")
    await theirs.expect("session")
    await server.run(Bayeux.Bayeux.use((bayeux) => bayeux.disconnect(other, `it knew ${clientId}`)))
    await theirs.expect("session", ({ _tag }) => _tag === "Ended")
    const refused = await askEnd(server.page, sessions.at(0)?.name ?? "", "again", { headers: bearer(token) })
    await until("everything", () => feed.rows.some(({ kind }) => kind === "Disconnect"))
    socket.ws.terminate()
    const sent = [feed, own, theirs].map(({ text }) => text).join() + refused.text
    assert.include(sent, "/private/")
    for (const secret of [clientId, other]) {
      assert.notInclude(sent, secret)
      assert.notInclude(sent, secret.slice(0, 12), "nor so much of it that the rest could be tried")
      assert.notInclude(sent, secret.slice(-12))
    }
  })

  it("has another pseudonym in each process, and the same one with a key", async () => {
    const clientIds: Array<string> = []
    const names: Array<string> = []
    for (const page of [{}, { key: Redacted.make("one key") }, { key: Redacted.make("another key") }]) {
      const server = await servePage({ page })
      clientIds.push(await begin(server))
      names.push(await onlyName(server.page))
      const again = await servePage({ page })
      await begin(again, `/a/${clientIds.at(-1)}`)
      const feed = await openFeed(again.page)
      const { channels } = await feed.expect("tables", ({ channels }) => channels.length === 1)
      const isSame = channels[0]?.channel === `/a/${names.at(-1)}`
      assert.strictEqual(isSame, "key" in page)
    }
    assert.strictEqual(new Set(names).size, 3)
  })
})

describe("access to the page", () => {
  it("is granted to this machine without a token", async () => {
    const { page, port } = await servePage()
    for (const host of [`127.0.0.1:${port}`, "localhost", `localhost:${port}`, "LOCALHOST", "[::1]:80"]) {
      assert.strictEqual((await request(page, { headers: { Host: host } })).status, 200, host)
    }
  })

  it.each([
    ["by a name that somebody has given this machine", { Host: "evil.example" }],
    ["by a name that begins like one", { Host: "localhost.evil.example" }],
    ["by another address", { Host: "192.0.2.1" }],
    ["through a proxy that says so", { "X-Forwarded-For": "192.0.2.1" }],
    ["through a proxy that says so by the book", { Forwarded: "for=192.0.2.1" }]
  ])("is nobody who comes %s", async (_, headers) => {
    const { page } = await servePage()
    for (const path of ["", "feed"]) {
      const { status, text } = await request(`${page}${path}`, { headers })
      assert.strictEqual(status, 403)
      assert.include(text, "give it a token")
    }
  })

  it("is refused to other machines without a token", async () => {
    const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === "IPv4" && !one.internal)
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve))
    atEnd(() => server.close())
    const attached = Layer.effectDiscard(MonitorPage.attach(server)).pipe(Layer.provide(serverLayer()))
    const { port } = server.address() as { readonly port: number }
    await Effect.runPromise(Effect.scoped(Effect.andThen(
      Layer.build(attached),
      Effect.promise(async () => {
        assert.strictEqual((await request(`http://127.0.0.1:${port}/monitor/`)).status, 200)
        if (outside === undefined) return
        const headers = { Host: "localhost" }
        assert.strictEqual((await request(`http://${outside.address}:${port}/monitor/`, { headers })).status, 403)
      })
    )))
  })

  it("is refused to pages of other origins, even from this machine", async () => {
    const { page } = await servePage()
    for (const headers of [{ Origin: "http://evil.example" }, { "Sec-Fetch-Site": "cross-site" }]) {
      const { headers: answered, status } = await request(`${page}feed`, { headers })
      assert.strictEqual(status, 403)
      assert.isUndefined(answered["access-control-allow-origin"])
    }
  })

  it("is granted with the token, as a bearer or by the form", async () => {
    const { page } = await servePage(withToken)
    assert.strictEqual((await request(page, { headers: bearer(token) })).status, 200)
    await openFeed(page, "", bearer(token))

    const { headers, status } = await logIn(page, token)
    assert.deepStrictEqual([status, headers.location], [303, "./"])
    const cookie = headers["set-cookie"]?.[0] ?? ""
    assert.match(cookie, /; HttpOnly; SameSite=Strict$/)
    assert.notInclude(cookie, encodeURIComponent(token))
    const known = { Cookie: `other=1; ${cookie.split(";")[0]}` }
    assert.strictEqual((await request(page, { headers: known })).status, 200)
    const feed = await openFeed(page, "", known)
    assert.isTrue(feed.all("hello")[0]?.hasToken)

    const out = await request(`${page}logout`, { method: "POST", headers: known })
    assert.deepStrictEqual([out.status, out.headers["set-cookie"]?.[0]?.includes("Max-Age=0")], [303, true])
  })

  it("is refused without the token, or with another one", async () => {
    const server = await servePage(withToken)
    await begin(server, "/a")
    const wrong = [{}, bearer("correct horse battery stapl"), bearer(`${token}x`), { Cookie: "bayeux_monitor=x" }, {
      Cookie: `bayeux_monitor=${token}`
    }]
    for (const headers of wrong) {
      const login = await request(server.page, { headers })
      assert.deepStrictEqual([login.status, login.headers["www-authenticate"]], [401, "Bearer"])
      assert.include(login.text, "name=\"token\"")
      assert.strictEqual((await request(`${server.page}feed`, { headers })).status, 401)
      assert.strictEqual((await askEnd(server.page, "0".repeat(16), "why", { headers })).status, 401)
      assert.strictEqual((await request(`${server.page}logout`, { method: "POST", headers })).status, 401)
    }
    const refused = await logIn(server.page, "wrong")
    assert.deepStrictEqual([refused.status, refused.headers["set-cookie"]], [401, undefined])
    assert.include(refused.text, "The token is wrong.")
    assert.strictEqual((await logIn(server.page, token, { Origin: "http://evil.example" })).status, 403)
  })
})

describe("MonitorPage.layer", () => {
  const fails = async (layer: Layer.Layer<never, Error>): Promise<string> => {
    const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(layer)))
    return Exit.isFailure(exit) ? String(exit.cause) : ""
  }

  it("serves other machines only with a token", async () => {
    const everywhere = serverLayer({ node: { host: "0.0.0.0" } })
    const message = await fails(Layer.provide(MonitorPage.layer(), everywhere))
    assert.match(
      message,
      /the server listens on 0\.0\.0\.0, so without a token .*: give a token, or .* 127\.0\.0\.1/
    )
    const { port } = await servePage({ node: { host: "0.0.0.0" }, ...withToken })
    const headers = { Host: "example.org", ...bearer(token) }
    assert.strictEqual((await request(`http://127.0.0.1:${port}/monitor/`, { headers })).status, 200)
  })

  it("reports options that are not valid, without the token", async () => {
    const message = await fails(
      Layer.provide(MonitorPage.layer({ token: Redacted.make("short-secret") }), serverLayer())
    )
    assert.match(message, /The options of MonitorPage\.layer are not valid: .*token/s)
    assert.notInclude(message, "short-secret")
    assert.match(await fails(Layer.provide(MonitorPage.layer({ path: "monitor" }), serverLayer())), /path/)
  })

  it("serves its files at its path and nowhere else, with the strictest policy, and leaves the rest to others", async () => {
    const { page, url } = await servePage({ page: { path: "/ops/live" } })
    const { origin } = new URL(url)
    const redirected = await request(page.slice(0, -1))
    assert.strictEqual(redirected.status, 303)
    assert.strictEqual(new URL(redirected.headers.location ?? "", page.slice(0, -1)).href, page)
    const html = await request(page)
    const policy = String(html.headers["content-security-policy"])
    assert.include(policy, "default-src 'none'")
    assert.include(policy, "frame-ancestors 'none'")
    assert.notInclude(policy, "unsafe")
    assert.strictEqual(html.headers["referrer-policy"], "no-referrer")
    for (const [, name = ""] of html.text.matchAll(/(?:src|href)="([\w.]+)"/g)) {
      const file = await request(`${page}${name}`)
      assert.strictEqual(file.status, 200, name)
      const headers = { "If-None-Match": file.headers.etag ?? "" }
      assert.strictEqual((await request(`${page}${name}`, { headers })).status, 304)
    }
    for (const path of ["/ops", "/ops/liver", "/monitor"]) {
      assert.strictEqual((await request(`${origin}${path}`)).status, 404, path)
    }
    for (const path of ["login.html", "tsconfig.json", "../package.json", "%2e%2e/package.json", "sessions/x"]) {
      assert.strictEqual((await request(`${page}${path}`)).status, 404, path)
    }
    assert.strictEqual((await request(page, { method: "PUT" })).status, 405)
    assert.strictEqual((await request(`${url}/health`)).status, 200)
  })

  it("ends the open pages when it ends, and serves at most a hundred", async () => {
    const server = await servePage()
    const feeds = await Promise.all(Array.from({ length: 100 }, () => openFeed(server.page)))
    assert.strictEqual((await request(`${server.page}feed`)).status, 503)
    const elapsed = stopwatch()
    await server.stop()
    assert.isBelow(elapsed(), 2_000)
    await until("all of them to end", () => feeds.every(({ isOver }) => isOver))
  })
})

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((sum, number) => sum + number, 0)

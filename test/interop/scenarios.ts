/**
 * What every Bayeux client must be able to do with the server, once for all clients and transports. Each scenario has a
 * server and clients of its own, so several of them run at once: most of their time is the clients' own waiting. That nothing more arrives is shown by a message on another channel, sent last: when it
 * has been heard, whatever was to come before it has come.
 */
import { assert, describe, it } from "vitest"
import type { Client, Delivered, Heard, OpenOptions, Transcript } from "../support/clients.ts"
import { type ServerOptions, startServer, type TestServer } from "../support/server.ts"

export interface Setup<C extends Client = Client> {
  /** The connection type that is expected. */
  readonly transport: string
  readonly open: (options: OpenOptions) => Promise<C>
  /** How many publishes the client may have under way at once and still keep them in order. */
  readonly burst: number
  /** For a client that cannot send a large message itself (JSONP puts messages into the URL). */
  readonly openForLarge?: (options: OpenOptions) => Promise<Client>
  /** What makes the client notice soon that the server was restarted. Default: attempts 100 ms apart. */
  readonly onRestart?: Circumstances
  /** False for a client that garbles what it reads beyond ASCII when it comes in several pieces. */
  readonly readsUnicodeInPieces?: boolean
}

export interface Circumstances extends ServerOptions {
  /** Milliseconds between a client's attempts to reach a server that is away. Default: 5,000. */
  readonly retry?: number
}

/** A server and the clients of one scenario; all of it ends with the scenario. */
export class World<C extends Client> {
  readonly #setup: Setup<C>
  readonly #circumstances: Circumstances
  readonly #clients: Array<Client> = []
  #server: TestServer

  private constructor(setup: Setup<C>, circumstances: Circumstances, server: TestServer) {
    this.#setup = setup
    this.#circumstances = circumstances
    this.#server = server
  }

  static async run<C extends Client>(
    setup: Setup<C>,
    circumstances: Circumstances,
    body: (world: World<C>) => Promise<void>
  ): Promise<void> {
    const world = new World(setup, circumstances, await startServer(circumstances))
    try {
      await body(world)
    } finally {
      await Promise.allSettled(world.#clients.map((client) => client.close()))
      await world.#server.stop()
    }
  }

  get server(): TestServer {
    return this.#server
  }

  client(): Promise<C> {
    return this.#open(this.#setup.open)
  }

  /** One that can publish a large message, whatever the transport under test can do. */
  clientForLarge(): Promise<Client> {
    return this.#open(this.#setup.openForLarge ?? this.#setup.open)
  }

  /** Stops the server and starts another one, which remembers nothing, on the same port. */
  async restart(): Promise<void> {
    await this.#server.stop()
    this.#server = await startServer({ ...this.#circumstances, port: this.#server.port })
  }

  async #open<D extends Client>(open: (options: OpenOptions) => Promise<D>): Promise<D> {
    const { retry = 5_000 } = this.#circumstances
    const client = await open({ url: this.#server.url, transport: this.#setup.transport, retry })
    this.#clients.push(client)
    return client
  }
}

const end = "/the/end"

const subscribed = async (client: Client, ...patterns: ReadonlyArray<string>): Promise<Client> => {
  for (const pattern of patterns) assert.strictEqual(await client.subscribe(pattern), "accepted", pattern)
  return client
}

const published = async (client: Client, channel: string, data: unknown): Promise<void> => {
  assert.strictEqual(await client.publish(channel, data), "accepted", channel)
}

/** All that a client was given until it heard the end; the end itself is left out, once. */
const untilTheEnd = async (client: Client): Promise<Transcript> => {
  const { delivered, heard } = await client.transcript({ heard: end })
  assert.deepEqual(heard.at(-1)?.channel, end, "the end was heard, and nothing after it")
  assert.deepEqual(delivered.at(-1)?.channel, end, "the end was delivered, and nothing after it")
  return { delivered: delivered.slice(0, -1), heard: heard.slice(0, -1) }
}

const pairs = (delivered: ReadonlyArray<Delivered>) => delivered.map(({ channel, data }) => [channel, data])
const triples = (heard: ReadonlyArray<Heard>) => heard.map(({ channel, data, pattern }) => [pattern, channel, data])

interface ConnectReply {
  readonly successful: boolean
  readonly error?: string
  readonly advice?: { readonly reconnect: string }
}

/** What a session id is worth to the server, asked without any client. */
const connectAs = async ({ url }: TestServer, clientId: string): Promise<ConnectReply> => {
  const message = { channel: "/meta/connect", clientId, connectionType: "long-polling", advice: { timeout: 0 } }
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify([message])
  })
  const [reply] = await response.json() as [ConnectReply]
  return reply
}

const unicode = {
  "ключ": "значение",
  text: "naïve Zürich 東京 ✓ – “quoted”",
  beyond: "😀👩‍👩‍👧‍👦𝒳",
  combined: "e\u0301 \u0041\u030A",
  rightToLeft: "שלום عليكم",
  separators: "\u2028\u2029\u0085",
  controls: "\u0000\u0001\u001F\u007F\t\r\n",
  markup: "</script><!-- \" ' \\ / & % + ? # ;",
  edges: "\uFEFF\uFFFD\uFFFF"
}

/** 500,000 characters, some of them of two, three and four bytes. */
const large = (inUnicode: boolean) => `${"x".repeat(996)}${inUnicode ? "é€😀" : "abcd"}`.repeat(500)

export const scenarios = <C extends Client>(name: string, setup: Setup<C>): void => {
  const scenario = (
    sentence: string,
    body: (world: World<C>) => Promise<void>,
    circumstances: Circumstances = {}
  ): void => {
    it(sentence, () => World.run(setup, circumstances, body))
  }

  describe.concurrent(name, () => {
    scenario("a subscriber hears what another client publishes, once, and not who it was", async (world) => {
      const a = await subscribed(await world.client(), "/chat/room", end)
      const b = await subscribed(await world.client(), end)
      await published(b, "/chat/room", { text: "hello" })
      await published(b, end, 0)
      const toA = await untilTheEnd(a)
      const toB = await untilTheEnd(b)
      assert.deepEqual(triples(toA.heard), [["/chat/room", "/chat/room", { text: "hello" }]])
      assert.deepEqual(pairs(toA.delivered), [["/chat/room", { text: "hello" }]])
      assert.notInclude(toA.delivered.flatMap(({ fields }) => fields), "clientId")
      assert.deepEqual(toB, { delivered: [], heard: [] })
      assert.strictEqual(await a.transport(), setup.transport)
      assert.notStrictEqual(await a.clientId(), await b.clientId())
    })

    scenario("a publisher that subscribes hears its own messages", async (world) => {
      const a = await subscribed(await world.client(), "/chat/room", end)
      await published(a, "/chat/room", 1)
      await published(a, "/chat/room", 2)
      await published(a, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(a)).delivered), [["/chat/room", 1], ["/chat/room", 2]])
    })

    scenario("/a/* matches one segment more, /a/** one or more", async (world) => {
      const one = await subscribed(await world.client(), "/a/*", end)
      const many = await subscribed(await world.client(), "/a/**", end)
      for (const channel of ["/a", "/a/b", "/a/b/c", "/a/b/c/d", "/ab/c", "/z/a/b", "/a/d"]) {
        await published(one, channel, channel)
      }
      await published(one, end, 0)
      const toOne = await untilTheEnd(one)
      const toMany = await untilTheEnd(many)
      const channels = (heard: ReadonlyArray<Heard>) => heard.map(({ channel, data }) => [channel, data])
      assert.deepEqual(channels(toOne.heard), [["/a/b", "/a/b"], ["/a/d", "/a/d"]])
      assert.deepEqual(pairs(toOne.delivered), channels(toOne.heard))
      assert.deepEqual(channels(toMany.heard), [
        ["/a/b", "/a/b"],
        ["/a/b/c", "/a/b/c"],
        ["/a/b/c/d", "/a/b/c/d"],
        ["/a/d", "/a/d"]
      ])
      assert.deepEqual(pairs(toMany.delivered), channels(toMany.heard))
    })

    scenario("a message is delivered once, however many patterns of the client match", async (world) => {
      const patterns = ["/a/b", "/a/*", "/a/**", "/**"]
      const a = await subscribed(await world.client(), ...patterns)
      const b = await world.client()
      await published(b, "/a/b", 1)
      await published(b, "/a/b", 2)
      await published(b, end, 0)
      const { delivered, heard } = await untilTheEnd(a)
      assert.deepEqual(pairs(delivered), [["/a/b", 1], ["/a/b", 2]])
      for (const data of [1, 2]) {
        assert.sameMembers(heard.filter((each) => each.data === data).map(({ pattern }) => pattern), patterns)
      }
    })

    scenario("nothing arrives any more after an unsubscription", async (world) => {
      const a = await subscribed(await world.client(), "/news", "/news/*", end)
      const b = await world.client()
      await published(b, "/news", "before")
      await published(b, "/news/local", "before")
      await a.transcript({ heard: "/news/local" })
      await a.unsubscribe("/news")
      await published(b, "/news", "after")
      await published(b, "/news/local", "after")
      await subscribed(a, "/news")
      await published(b, "/news", "again")
      await published(b, end, 0)
      const { delivered, heard } = await untilTheEnd(a)
      const expected = [["/news", "before"], ["/news/local", "before"], ["/news/local", "after"], ["/news", "again"]]
      assert.deepEqual(pairs(delivered), expected)
      assert.deepEqual(heard.map(({ channel, data }) => [channel, data]), expected)
    })

    scenario("a client that disconnects hears nothing more, and its session is gone", async (world) => {
      const a = await subscribed(await world.client(), "/chat/room")
      const b = await subscribed(await world.client(), "/chat/room", end)
      const clientId = await a.clientId()
      await published(b, "/chat/room", "before")
      await a.transcript({ heard: "/chat/room" })
      assert.strictEqual(await a.disconnect(), "accepted")
      await published(b, "/chat/room", "after")
      await published(b, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(b)).delivered), [["/chat/room", "before"], ["/chat/room", "after"]])
      const { advice, error, successful } = await connectAs(world.server, clientId)
      assert.deepEqual({ error, successful }, { error: `401:${clientId}:Unknown client`, successful: false })
      assert.strictEqual(advice?.reconnect, "handshake")
      assert.deepEqual(pairs((await a.transcript({ heard: "/chat/room" })).delivered), [["/chat/room", "before"]])
    })

    scenario("a client whose session the application ends is told why, and does not come back", async (world) => {
      const a = await subscribed(await world.client(), "/chat/room")
      const b = await subscribed(await world.client(), "/chat/room", end)
      const clientId = await a.clientId()
      await published(b, "/chat/room", "before")
      await a.transcript({ heard: "/chat/room" })
      assert.isTrue(await world.server.disconnect(clientId, "no more - for today"))
      await a.transcript({ answers: "/meta/disconnect", count: 1 })
      await published(b, "/chat/room", "after")
      // Longer than a browser waits before it opens a stream again.
      for (const since = performance.now(); performance.now() - since < 3_000;) {
        await b.transcript({ answers: "/meta/connect", count: await b.answers("/meta/connect") + 1 })
      }
      assert.strictEqual(await a.answers("/meta/handshake"), 1)
      const { errors, hasGivenUp } = await a.errors()
      assert.isTrue(hasGivenUp)
      // A client over a WebSocket may have its connect answered just then, and not have sent the next one; over EventSource
      // the stream tells it, and tells it again.
      const told = ["/meta/connect", "/meta/disconnect"].map((channel) =>
        `${channel} 403:${clientId}:no more - for today`
      )
      assert.includeMembers(told, [...new Set(errors)])
      assert.include(errors, told[1])
      assert.deepEqual(pairs((await a.transcript({ heard: "/chat/room" })).delivered), [["/chat/room", "before"]])
    }, { timeout: 1_000, sessionTimeout: 60_000 })

    scenario("a client goes on where it was when its connect has been held to the time-out", async (world) => {
      const a = await subscribed(await world.client(), "/chat/room", end)
      const b = await world.client()
      const clientId = await a.clientId()
      await a.transcript({ answers: "/meta/connect", count: await a.answers("/meta/connect") + 1 })
      await published(b, "/chat/room", "still here")
      await published(b, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(a)).delivered), [["/chat/room", "still here"]])
      assert.strictEqual(await a.clientId(), clientId)
    }, { timeout: 2_000, sessionTimeout: 60_000 })

    scenario("after a restart of the server subscriptions come back and messages flow again", async (world) => {
      const a = await subscribed(await world.client(), "/to/a", end)
      const b = await subscribed(await world.client(), "/to/b", end)
      const before = [await a.clientId(), await b.clientId()]
      await published(a, "/to/b", "before")
      await published(b, "/to/a", "before")
      await a.transcript({ heard: "/to/a" })
      await b.transcript({ heard: "/to/b" })
      await world.restart()
      await a.transcript({ answers: "/meta/subscribe", count: 4 })
      await b.transcript({ answers: "/meta/subscribe", count: 4 })
      await published(a, "/to/b", "after")
      await published(b, "/to/a", "after")
      await published(b, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(a)).delivered), [["/to/a", "before"], ["/to/a", "after"]])
      assert.deepEqual(pairs((await untilTheEnd(b)).delivered), [["/to/b", "before"], ["/to/b", "after"]])
      assert.notInclude(before, await a.clientId())
      assert.notInclude(before, await b.clientId())
    }, setup.onRestart ?? { retry: 100 })

    scenario("1,000 messages in order both ways, none lost and none doubled", async (world) => {
      const numbers = Array.from({ length: 1_000 }, (_, index) => index)
      const a = await subscribed(await world.client(), "/to/a", end)
      const b = await subscribed(await world.client(), "/to/b", end)
      const refused = await Promise.all([
        a.publishAll("/to/b", numbers, setup.burst),
        b.publishAll("/to/a", numbers, setup.burst)
      ])
      assert.deepEqual(refused, [[], []])
      await published(a, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(a)).delivered), numbers.map((number) => ["/to/a", number]))
      assert.deepEqual(pairs((await untilTheEnd(b)).delivered), numbers.map((number) => ["/to/b", number]))
    })

    scenario("every kind of character and of JSON value arrives as it was sent", async (world) => {
      const values = [unicode, "", 0, -1.5e-7, true, false, [], {}, [[null, { a: [{}] }]], 2 ** 53 - 1]
      const a = await subscribed(await world.client(), "/values", end)
      const b = await world.client()
      for (const value of values) await published(b, "/values", value)
      await published(b, end, 0)
      const { delivered, heard } = await untilTheEnd(a)
      assert.deepEqual(pairs(delivered), values.map((value) => ["/values", value]))
      assert.deepEqual(triples(heard), values.map((value) => ["/values", "/values", value]))
    })

    scenario("a message of 500,000 characters arrives whole", async (world) => {
      const text = large(setup.readsUnicodeInPieces !== false)
      const a = await subscribed(await world.client(), "/large", end)
      const b = await world.clientForLarge()
      await published(b, "/large", { text })
      await published(b, end, 0)
      const { delivered } = await untilTheEnd(a)
      assert.deepEqual(delivered.map(({ channel }) => channel), ["/large"])
      // Not `deepEqual`: a difference would be printed.
      assert.isTrue(JSON.stringify(delivered[0]?.data) === JSON.stringify({ text }), "the same text")
    })

    scenario("a refused publish or subscription tells the client why, and the client goes on", async (world) => {
      const a = await subscribed(await world.client(), "/rooms/*", end)
      assert.strictEqual(await a.publish("/rooms/*", 1), "405:/rooms/*:Invalid channel")
      assert.strictEqual(await a.publish("/rooms/", 2), "405:/rooms/:Invalid channel")
      assert.strictEqual(await a.subscribe("/meta/connect"), "403:/meta/connect:Forbidden channel")
      assert.strictEqual(await a.subscribe("/service/echo"), "403:/service/echo:Forbidden channel")
      await published(a, "/rooms/one", 3)
      await published(a, end, 0)
      assert.deepEqual(pairs((await untilTheEnd(a)).delivered), [["/rooms/one", 3]])
    })
  })
}

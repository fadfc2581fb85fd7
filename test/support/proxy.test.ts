import { afterEach, assert, describe, it } from "@effect/vitest"
import { type AddressInfo, connect, createServer, type Socket } from "node:net"
import { atEnd, nextTurn, releaseAll, until } from "../transport/support.ts"
import { Proxy } from "./proxy.ts"

afterEach(releaseAll)

/** A server that keeps what it gets and answers each byte with two. */
const serve = async () => {
  const received: Array<string> = []
  const server = createServer((socket) => {
    const at = received.push("") - 1
    socket.setEncoding("utf8").on("data", (text: string) => {
      received[at] += text
      socket.write(text + text)
    })
    socket.on("error", () => undefined)
    atEnd(() => socket.destroy())
  })
  atEnd(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return { received, proxy: await Proxy.start((server.address() as AddressInfo).port) }
}

interface Client {
  readonly socket: Socket
  received: string
  isClosed: boolean
}

const dial = ({ port }: Proxy): Client => {
  const client: Client = { socket: connect(port, "127.0.0.1"), received: "", isClosed: false }
  client.socket.setEncoding("utf8").on("data", (text: string) => client.received += text)
  client.socket.on("error", () => undefined)
  client.socket.on("close", () => client.isClosed = true)
  atEnd(() => client.socket.destroy())
  return client
}

describe("Proxy", () => {
  it("carries bytes, and the end of a connection", async () => {
    const { proxy, received } = await serve()
    const client = dial(proxy)
    client.socket.write("ab")
    await until("the answer", () => client.received === "abab")
    client.socket.end()
    await until("the end", () => client.isClosed)
    assert.deepStrictEqual(received, ["ab"])
  })

  it("cuts all connections, and takes new ones", async () => {
    const { proxy } = await serve()
    const clients = [dial(proxy), dial(proxy)]
    for (const client of clients) client.socket.write("a")
    await until("the answers", () => clients.every((client) => client.received === "aa"))
    proxy.cut()
    await until("the cuts", () => clients.every((client) => client.isClosed))
    const next = dial(proxy)
    next.socket.write("b")
    await until("the answer", () => next.received === "bb")
  })

  it("cuts after so many bytes to the server", async () => {
    const { proxy, received } = await serve()
    const client = dial(proxy)
    const cut = proxy.cutAfter(3, "up")
    client.socket.write("abcdef")
    await cut
    await until("the cut", () => client.isClosed)
    await until("the bytes before it", () => received[0] === "abc")
  })

  it("cuts after so many bytes to the client", async () => {
    const { proxy, received } = await serve()
    const client = dial(proxy)
    const cut = proxy.cutAfter(3, "down")
    client.socket.write("abcdef")
    await cut
    await until("the cut", () => client.isClosed)
    assert.strictEqual(received[0], "abcdef")
    assert.include(["", "aab", "abc"], client.received, "a reset may overtake what was sent before it")
  })

  it("lets nothing through while it is a black hole, and all that was sent when it heals", async () => {
    const { proxy, received } = await serve()
    const before = dial(proxy)
    before.socket.write("a")
    await until("the answer", () => before.received === "aa")
    proxy.blackHole()
    const during = dial(proxy)
    await until("the connection", () => during.socket.readyState === "open")
    before.socket.write("b")
    during.socket.write("c")
    for (let turns = 0; turns < 100; turns++) await nextTurn()
    assert.strictEqual(received.join(), received.length === 1 ? "a" : "a,")
    proxy.heal()
    await until("the answers", () => before.received === "aabb" && during.received === "cc")
  })
})

import { afterEach, assert, describe, it } from "@effect/vitest"
import { runInNewContext } from "node:vm"
import { CallbackPollingTransport } from "../../src/index.ts"
import {
  begin,
  connectMessage,
  dataOf,
  handshakeMessage,
  type Message,
  poll,
  releaseAll,
  request,
  type RequestOptions,
  serve,
  type Server,
  until
} from "./support.ts"

afterEach(releaseAll)

const json = JSON.stringify

const get = (server: Server, fields: ReadonlyArray<[string, string]>, options?: RequestOptions) =>
  request(`${server.url}?${new URLSearchParams([...fields]).toString()}`, options)

const send = (server: Server, messages: unknown, jsonp = "answer") =>
  get(server, [["message", json(messages)], ["jsonp", jsonp]])

/** Runs the script as a page would and gives what its function is called with. */
const called = (script: string, name = "answer"): ReadonlyArray<Message> => {
  const calls: Array<string> = []
  runInNewContext(script, { [name]: (messages: unknown) => calls.push(json(messages)) })
  assert.strictEqual(calls.length, 1, script)
  return JSON.parse(calls[0] ?? "") as ReadonlyArray<Message>
}

describe("callback-polling", () => {
  it("answers with a script that calls the function, and with nothing else", async () => {
    const server = await serve()
    const { headers, status, text } = await send(server, [{ channel: "/a", id: "1", data: 1 }], "f")
    assert.strictEqual(status, 200)
    assert.strictEqual(text, "/**/f([{\"channel\":\"/a\",\"successful\":true,\"id\":\"1\"}]);")
    assert.strictEqual(headers["content-type"], "text/javascript; charset=utf-8")
    assert.strictEqual(headers["x-content-type-options"], "nosniff")
    assert.strictEqual(headers["content-disposition"], "attachment; filename=f.txt")
    assert.strictEqual(headers["cache-control"], "no-cache, no-store")
  })

  it("calls jsonpcallback if no function is named", async () => {
    const server = await serve()
    const { text } = await get(server, [["message", json([handshakeMessage])]])
    assert.isTrue(called(text, "jsonpcallback")[0]?.successful)
  })

  it.each([["f"], ["_"], ["$"], ["__jsonp1__"], ["jQuery123.success"], ["a.b.c"], ["A$1"], ["x".repeat(200)]])(
    "takes the function name %s",
    async (name) => {
      const server = await serve()
      const { status, text } = await send(server, [{ channel: "/a", data: 1 }], name)
      assert.strictEqual(status, 200)
      assert.isTrue(text.startsWith(`/**/${name}([`))
    }
  )

  it.each([
    [""],
    ["1f"],
    ["f()"],
    ["f;alert(1)"],
    ["a..b"],
    [".a"],
    ["a."],
    ["a[0]"],
    ["a b"],
    ["f\n"],
    ["\u2028f"],
    ["é"],
    ["</script>"],
    ["*/f"],
    ["a-b"],
    ["x".repeat(201)]
  ])("does not take the function name %j", async (name) => {
    const server = await serve()
    const answer = await send(server, [handshakeMessage], name)
    assert.strictEqual(answer.status, 400)
    assert.match(String(answer.headers["content-type"]), /^text\/plain/)
    assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
    assert.deepStrictEqual(await server.sessions(), [], "the messages were not looked at")
  })

  it("escapes the two characters that are a line's end in older JavaScript and none in JSON", async () => {
    const server = await serve()
    const data = "a\u2028b\u2029c</script>\\"
    const clientId = await begin(server, "/a")
    await server.publish("/a", data)
    const { text } = await send(server, [connectMessage(clientId, "callback-polling", { advice: { timeout: 0 } })])
    assert.notMatch(text, /[\u2028\u2029]/)
    assert.deepStrictEqual(dataOf(called(text)), [data])
  })

  it("takes several message parameters, each with one message or an array, in their order", async () => {
    const server = await serve()
    const publish = (id: number) => ({ channel: "/a", id, data: 1 })
    const { text } = await get(server, [
      ["message", json(publish(1))],
      ["jsonp", "answer"],
      ["message", json([publish(2), publish(3)])]
    ])
    assert.deepStrictEqual(called(text).map(({ id }) => id), [1, 2, 3])
  })

  it("shakes hands, subscribes, holds a connect and delivers", async () => {
    const server = await serve()
    const [{ clientId = "" } = {}] = called((await send(server, [handshakeMessage])).text)
    const subscribe = { channel: "/meta/subscribe", clientId, subscription: "/a" }
    assert.isTrue(called((await send(server, [subscribe])).text)[0]?.successful)
    const answered = send(server, [connectMessage(clientId, "callback-polling")])
    await until("the connect to be held", async () => (await server.session(clientId))?.link === "Polling")
    await send(server, [{ channel: "/a", data: 1 }, { channel: "/a", data: 2 }])
    const messages = called((await answered).text)
    assert.strictEqual(messages[0]?.channel, "/meta/connect")
    assert.deepStrictEqual(dataOf(messages), [1, 2])
    assert.deepStrictEqual(await poll(server, clientId), [])
  })

  it.each([["not JSON"], ["1"], ["null"], ["\"x\""], [""], ["[".repeat(200)]])(
    "answers the message %j with a status and a sentence",
    async (message) => {
      const server = await serve()
      const answer = await get(server, [["message", message], ["jsonp", "f"]])
      assert.strictEqual(answer.status, 400)
      assert.match(answer.text, /^The messages are .+\n$/)
    }
  )

  it("is there for GET only, and only with a message", async () => {
    const server = await serve({ transports: CallbackPollingTransport.layer })
    const [reply] = called((await send(server, [handshakeMessage])).text)
    assert.deepStrictEqual(reply?.supportedConnectionTypes, ["callback-polling"])
    assert.strictEqual((await get(server, [["jsonp", "f"]])).status, 400)
    const fields: ReadonlyArray<[string, string]> = [["message", json([handshakeMessage])], ["jsonp", "f"]]
    for (const method of ["PUT", "DELETE"]) {
      const answer = await get(server, fields, { method })
      assert.strictEqual(answer.status, 405, method)
      assert.strictEqual(answer.headers.allow, "GET, HEAD, POST, OPTIONS")
    }
    const sessions = (await server.sessions()).length
    assert.strictEqual((await get(server, fields, { method: "HEAD" })).status, 400)
    assert.strictEqual((await server.sessions()).length, sessions, "a HEAD changes nothing")
  })
})

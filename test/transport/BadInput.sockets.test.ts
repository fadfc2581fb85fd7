/** WebSockets that are no good. */
import { assert, describe, it } from "@effect/vitest"
import { besideNeighbours, json, oneMebibyte, server } from "./neighbours.ts"
import {
  begin,
  clientFrame,
  closeCodeIn,
  connectMessage,
  connectRawWebSocket,
  messagesInFrames,
  openSocket,
  poll,
  subscribeMessage,
  until
} from "./support.ts"

besideNeighbours("a server that is sent bad frames", () => {
  describe("a socket that speaks nonsense", () => {
    it.each<[string, Buffer, ReadonlyArray<number>]>([
      ["is no WebSocket frame", Buffer.from("GET / HTTP/1.1\r\n\r\n"), [1002]],
      ["is not masked", clientFrame("[]", { isMasked: false }), [1002]],
      ["is binary", clientFrame("[]", { opcode: 2 }), [1003]],
      [
        "is binary in fragments",
        Buffer.concat([
          clientFrame("[", { opcode: 2, isFinal: false }),
          clientFrame("]", { opcode: 0 })
        ]),
        [1003]
      ],
      ["is no JSON", clientFrame("nope"), [1007]],
      ["is null", clientFrame("null"), [1007]],
      ["is invalid UTF-8", clientFrame(Uint8Array.of(0xff)), [1007]],
      ["is nested too deeply", clientFrame("[".repeat(50_000)), [1007]],
      ["is longer than 16 mebibytes", clientFrame("x".repeat(16 * oneMebibyte + 1)), [1009]],
      ["is longer than a mebibyte and no JSON", clientFrame("x".repeat(oneMebibyte + 1)), [1007]],
      ["announces what nobody can hold", Buffer.from([0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255]), [
        1009,
        1002
      ]],
      ["has a reserved bit", clientFrame("[]", { reserved: 1 }), [1002]],
      ["is a close with a code that does not exist", clientFrame(Uint8Array.of(0, 1), { opcode: 8 }), [1002]],
      ["is a ping that is too long", clientFrame("x".repeat(126), { opcode: 9 }), [1002]]
    ])("is closed with a code that says what was wrong: its message %s", async (_, bytes, codes) => {
      const raw = await connectRawWebSocket(server)
      raw.send(bytes)
      assert.include(codes, await until("a close code", () => closeCodeIn(raw.received)))
    })

    it("gets the error replies of bad messages, and stays open", async () => {
      const socket = await openSocket(server)
      socket.send(1, null, {}, { channel: "/meta/x" }, connectMessage("x"), subscribeMessage("x", "/a"))
      await until("six replies", () => socket.messages.length === 6)
      assert.deepStrictEqual(socket.messages.map(({ error }) => error?.slice(0, 3)), [
        "400",
        "400",
        "402",
        "403",
        "401",
        "401"
      ])
      assert.isUndefined(socket.closing)
    })

    it("in thousands of tiny fragments is understood", async () => {
      const raw = await connectRawWebSocket(server)
      const text = json([{ channel: "/a", data: "x".repeat(5_000) }])
      raw.send(
        Buffer.concat(
          Array.from(
            text,
            (char, at) => clientFrame(char, { opcode: at === 0 ? 1 : 0, isFinal: at === text.length - 1 })
          )
        )
      )
      await until("a reply", () => messagesInFrames(raw.received).some(({ successful }) => successful === true))
    })

    it("and does not answer the close does not keep the messages of its session to itself", async () => {
      const clientId = await begin(server, "/a")
      const raw = await connectRawWebSocket(server)
      raw.send(clientFrame(json([connectMessage(clientId, "websocket")])))
      await until("the session to be attached", async () => (await server.session(clientId))?.link === "Attached")
      raw.send(clientFrame("nope"))
      await until("a close code", () => closeCodeIn(raw.received))
      await server.publish("/a", 1)
      const polled = async () => {
        const data = await poll(server, clientId)
        return data.length > 0 && data
      }
      assert.deepStrictEqual(await until("the message", polled), [1])
    })
  })
})

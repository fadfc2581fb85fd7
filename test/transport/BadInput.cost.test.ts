/** What bodies of a mebibyte cost, whatever is in them. */
import { assert, describe, it } from "@effect/vitest"
import { besideNeighbours, formType, json, oneMebibyte, server } from "./neighbours.ts"
import { begin, connectMessage, handshakeMessage, request } from "./support.ts"

besideNeighbours("a server that is sent as much as there is room for", () => {
  describe("a body of a mebibyte", () => {
    /** As many of something as there is room for. */
    const filled = (one: string, head = "[", tail = "]", separator = ",") => {
      const count = Math.floor((oneMebibyte - head.length - tail.length - one.length) / (one.length + separator.length))
      return head + Array.from({ length: count }, () => one).join(separator) + tail
    }
    const subscribing = `[{"channel":"/meta/subscribe","clientId":"CLIENT","subscription":[`
    const ordinary = filled(json({ channel: "/a", data: "x".repeat(100) }))

    const cost = async (body: string, type: string) => {
      const before = process.cpuUsage()
      const answer = await request(server.url, { method: "POST", headers: { "Content-Type": type }, body })
      const { system, user } = process.cpuUsage(before)
      return { answer, milliseconds: (system + user) / 1_000 }
    }

    it.each<[string, string, string?]>([
      ["numbers", filled("1")],
      ["nulls", filled("null")],
      ["empty objects", filled("{}")],
      ["empty arrays", filled("[]")],
      ["digits", `[${"9".repeat(oneMebibyte - 2)}]`],
      ["opening brackets", "[".repeat(oneMebibyte)],
      ["quotes", "\"".repeat(oneMebibyte)],
      ["backslashes", `"${"\\".repeat(oneMebibyte - 1)}`],
      ["escaped quotes", `["${"\\\"".repeat(oneMebibyte / 2 - 2)}"]`],
      ["connects", filled(json(connectMessage("CLIENT")))],
      ["subscriptions to the same", filled("\"/a\"", subscribing, "]}]")],
      ["handshakes", filled(json(handshakeMessage))],
      ["slashes for a channel", json([{ channel: "/".repeat(oneMebibyte - 40), data: 1 }])],
      ["segments of a channel", json([{ channel: "/a".repeat(oneMebibyte / 2 - 20), data: 1 }])],
      ["letters of a channel that ends badly", json([{ channel: `/${"a".repeat(oneMebibyte - 50)}%`, data: 1 }])],
      ["a version number", json([{ ...handshakeMessage, version: "1.".repeat(oneMebibyte / 2 - 100) }])],
      ["empty form fields", filled("message", "", "", "&"), formType],
      ["bad form fields", filled("message={", "", "", "&"), formType],
      ["ampersands", "&".repeat(oneMebibyte), formType],
      ["percent signs", "%".repeat(oneMebibyte), formType]
    ])(
      "of %s costs little more than one of ordinary messages, and its answer is not much longer",
      async (_, body, type) => {
        const clientId = await begin(server)
        const usual = await cost(ordinary, "application/json")
        const { answer, milliseconds } = await cost(body.replaceAll("CLIENT", clientId), type ?? "application/json")
        assert.include([200, 400, 413], answer.status)
        assert.isBelow(answer.text.length, 10 * oneMebibyte)
        assert.isBelow(milliseconds, 4 * usual.milliseconds + 400)
      }
    )
  })
})

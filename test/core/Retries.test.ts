import { assert, describe, it } from "@effect/vitest"
import * as Retries from "../../src/core/Retries.ts"

const connect = (id: string | undefined) => ({
  _tag: "Connect" as const,
  id,
  clientId: "c",
  connectionType: "long-polling",
  timeout: undefined,
  acknowledged: undefined
})

/** What is kept after connects with these ids, each answered over a connection of its own or, by a socket, over the same. */
const after = (ids: ReadonlyArray<string | undefined>, isSocket = false, types: ReadonlyArray<string> = []) =>
  ids.reduce((retries, id, at) => {
    const connection = isSocket ? 1 : at + 1
    return Retries.answered(Retries.connected(retries, connect(id), connection), connect(id), connection, [])
  }, Retries.make({ supportedConnectionTypes: types }))

describe("the ids of a session", () => {
  it("are unique where the client is Faye's, in Node or in a browser", () => {
    for (const type of ["in-process", "cross-origin-long-polling"]) {
      assert.strictEqual(Retries.make({ supportedConnectionTypes: ["websocket", type] }).ids, "Unique")
    }
    const cometd = ["websocket", "long-polling", "callback-polling"]
    assert.strictEqual(Retries.make({ supportedConnectionTypes: cometd }).ids, "Unknown")
  })

  it("are distinct when two connects had different ones", () => {
    assert.strictEqual(after(["1"]).ids, "Unknown")
    assert.strictEqual(after(["1", "2"]).ids, "Distinct")
    assert.strictEqual(after(["1", "1", "1"]).ids, "Unknown")
    assert.strictEqual(after([undefined, "1", undefined]).ids, "Unknown")
  })

  it("are not believed any more when one comes again over the socket that carried its answer", () => {
    assert.strictEqual(after(["1", "2", "2"], true).ids, "Reused")
    assert.strictEqual(after(["1", "2", "2", "3"], true).ids, "Reused")
    assert.strictEqual(after(["1", "1"], true, ["in-process"]).ids, "Reused")
  })
})

describe("a request that may come again", () => {
  it("is known by its id in one of a few slots where ids are unique", () => {
    assert.deepStrictEqual(Retries.once("Unique", "k", "1z"), { key: "k", slot: 71 % 32, id: "1z" })
    const slots = Array.from({ length: 32 }, (_, n) => Retries.once("Unique", "k", (n + 1_000).toString(36))?.slot)
    assert.strictEqual(new Set(slots).size, 32, "32 ids that follow each other have a slot each")
    assert.deepStrictEqual(Retries.once("Unique", "k", "!?"), { key: "k", slot: 0, id: "!?" })
  })

  it("is known as the last one only where ids are distinct, and not at all where they are not", () => {
    assert.deepStrictEqual(Retries.once("Distinct", "k", 7), { key: "k", slot: 0, id: "7" })
    for (const ids of ["Unknown", "Reused"] as const) assert.isUndefined(Retries.once(ids, "k", "7"))
  })

  it("is not known without an id, or by one that is too long to be kept", () => {
    for (const id of [undefined, "", "x".repeat(65)]) assert.isUndefined(Retries.once("Unique", "k", id))
  })
})

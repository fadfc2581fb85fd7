import { assert, describe, it } from "@effect/vitest"
import type { ClientId } from "../../src/core/ClientId.ts"
import * as Message from "../../src/core/Message.ts"
import type { Output } from "../../src/core/Output.ts"
import { repliesIn, Trial } from "./trial.ts"

const cause = { _tag: "Kicked", reason: "spam, again" } as const

/** All that is said to a client, asked for or not. */
const toldIn = (outputs: ReadonlyArray<Output>): ReadonlyArray<Message.Reply> =>
  outputs.flatMap((output) =>
    output._tag === "Reply"
      ? output.messages.filter(Message.isReply)
      : output._tag === "Advise"
      ? [output.message]
      : []
  )

const kick = (trial: Trial, clientId: ClientId) => trial.step({ _tag: "EndRequested", clientId, cause })

const farewell = (clientId: string) => ({
  channel: "/meta/disconnect",
  successful: true,
  clientId,
  error: `403:${clientId}:spam_ again`,
  advice: { reconnect: "none" }
})

const refusal = (clientId: string, channel: string, more: object = {}) => ({
  channel,
  successful: false,
  ...more,
  error: `403:${clientId}:spam_ again`,
  advice: { reconnect: "none" }
})

describe("a client whose session the application ends", () => {
  it("is told why with the answer to its held connect, behind which comes the disconnect of CometD's server", () => {
    const trial = new Trial()
    const { clientId } = trial.poll("/a")
    assert.deepStrictEqual(
      toldIn(kick(trial, clientId)),
      [refusal(clientId, "/meta/connect"), farewell(clientId)] as never
    )
  })

  it("is told over its socket, before that is closed, whether or not a connect is held", () => {
    const trial = new Trial()
    const { clientId, connection } = trial.socket("/a")
    const outputs = kick(trial, clientId)
    assert.deepStrictEqual(toldIn(outputs).at(-1), farewell(clientId) as never)
    assert.deepStrictEqual(outputs.at(-1), {
      _tag: "CloseConnection",
      connection: connection.id,
      reason: "SessionEnded"
    })
    const idle = trial.socket("/a")
    trial.advance(1_000)
    assert.deepStrictEqual(toldIn(kick(trial, idle.clientId)), [farewell(idle.clientId)] as never)
  })

  it("is told by its stream, and again when the browser opens that again", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    const open = () => trial.step({ _tag: "StreamOpened", connection: trial.open("stream"), clientId })
    open()
    assert.deepStrictEqual(
      toldIn(kick(trial, clientId)),
      [refusal(clientId, "/meta/connect"), farewell(clientId)] as never
    )
    assert.deepStrictEqual(toldIn(open()), [refusal(clientId, "/meta/connect")] as never)
  })

  it("is told when it comes, if it was between two connects", () => {
    const trial = new Trial()
    const clientId = trial.handshake()
    assert.deepStrictEqual(toldIn(kick(trial, clientId)), [])
    const ask = (message: object) => repliesIn(trial.receive(trial.open("exchange"), { clientId, ...message }))
    const connect = { channel: "/meta/connect", connectionType: "long-polling" }
    const connected = ask(connect)
    assert.deepStrictEqual(connected, [refusal(clientId, "/meta/connect"), farewell(clientId)] as never)
    assert.deepStrictEqual(ask({ channel: "/a", data: 1 }), [refusal(clientId, "/a")] as never)
    assert.deepStrictEqual(
      ask({ channel: "/meta/subscribe", subscription: "/a" }),
      [refusal(clientId, "/meta/subscribe", { clientId, subscription: "/a" })] as never
    )
    assert.deepStrictEqual(ask({ channel: "/meta/disconnect" }), [refusal(clientId, "/meta/disconnect")] as never)
    const [unknown] = ask({ ...connect, clientId: "0" })
    assert.deepStrictEqual([unknown?.error, unknown?.advice?.reconnect], ["401:0:Unknown client", "handshake"])
  })

  it("is told something although the application gives no reason", () => {
    const trial = new Trial()
    const { clientId } = trial.poll("/a")
    const [reply] = repliesIn(trial.step({ _tag: "EndRequested", clientId, cause: { _tag: "Kicked", reason: "" } }))
    assert.strictEqual(reply?.error, `403:${clientId}:Session ended`)
  })

  it("is remembered with the last thousand of them, and no more than 200 characters of the reason", () => {
    const trial = new Trial()
    const long = { _tag: "Kicked", reason: "x".repeat(1_000) } as const
    const ids = Array.from({ length: 1_001 }, () => trial.handshake())
    for (const clientId of ids) trial.step({ _tag: "EndRequested", clientId, cause: long })
    assert.strictEqual(trial.state.kicked.length, 1_000)
    const errorOf = (clientId: string | undefined) =>
      repliesIn(trial.receive(trial.open("exchange"), { channel: "/a", data: 1, clientId }))[0]?.error
    assert.strictEqual(errorOf(ids[0]), `401:${ids[0]}:Unknown client`)
    assert.strictEqual(errorOf(ids[1]), `403:${ids[1]}:${"x".repeat(200)}`)
    assert.strictEqual(errorOf(ids[1_000]), `403:${ids[1_000]}:${"x".repeat(200)}`)
  })
})

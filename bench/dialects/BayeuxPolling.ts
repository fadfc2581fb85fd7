/** Bayeux over long-polling, for effect-bayeux and Faye. */
import type { Address } from "../load/BareSocket.ts"
import { batches } from "../load/Batches.ts"
import * as HttpClient from "../load/HttpClient.ts"
import * as Mark from "../load/Mark.ts"
import * as Template from "../load/Template.ts"
import type { Dialect } from "./Dialect.ts"
import * as Request from "./Request.ts"

/** The bytes of a POST with messages. */
export const post = (...messages: ReadonlyArray<object>): Buffer =>
  HttpClient.post(Request.mount, JSON.stringify(messages))

const openSession = async (address: Address) => {
  const client = await HttpClient.HttpClient.open(address)
  const answer = await client.ask(HttpClient.post(Request.mount, Request.handshake))
  return { client, clientId: Request.clientIdOf(answer) }
}

const subscribe: Dialect["subscribe"] = async (address, { patterns }, onDelivery) => {
  const { client, clientId } = await openSession(address)
  Request.expectReply(await client.ask(post(Request.subscribe(clientId, patterns))), "/meta/subscribe")
  const connect = post(Request.connect(clientId, "long-polling"))
  client.onBody = (bytes, start, end) => {
    let count = 0
    Mark.scanDeliveries(bytes, start, end, (stream, sequence) => {
      count++
      onDelivery(stream, sequence)
    })
    if (count === 0) Request.expectReply(bytes.toString("utf8", start, end), "/meta/connect")
    client.send(connect)
  }
  client.send(connect)
}

/** Publishes go in batches, one request at a time: what comes up meanwhile waits for the answer. */
const publisher: Dialect["publisher"] = async (address, { streams }, onAnswer) => {
  const { client, clientId } = await openSession(address)
  const message = Template.forStreams(
    streams,
    (stream) => Buffer.from(JSON.stringify(Request.publish(clientId, stream)))
  )
  const { answered, send } = batches(client, Request.mount)
  client.onBody = (bytes, start, end) => {
    const text = bytes.toString("latin1", start, end)
    if (text.includes("\"successful\":false")) throw new Error(`The server refused a publish: ${text}`)
    Mark.scanAnswers(bytes, start, end, onAnswer)
    answered()
  }
  return (stream, sequence) => send(message(stream, sequence))
}

export const dialect: Dialect = { subscribe, publisher, answers: "always" }

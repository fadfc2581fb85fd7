/** What plain-http understands: long polls by room and subscriber, and POSTs that are passed on as they are. */
import { batches } from "../load/Batches.ts"
import * as HttpClient from "../load/HttpClient.ts"
import * as Mark from "../load/Mark.ts"
import * as Template from "../load/Template.ts"
import type { Dialect } from "./Dialect.ts"
import * as Request from "./Request.ts"

const subscribe: Dialect["subscribe"] = async (address, { room }, onDelivery) => {
  const client = await HttpClient.HttpClient.open(address)
  await client.ask(HttpClient.get(`/subscribe/${room}/${address.peer}`))
  const poll = HttpClient.get(`/poll/${room}/${address.peer}`)
  client.onBody = (bytes, start, end) => {
    Mark.scanDeliveries(bytes, start, end, onDelivery)
    client.send(poll)
  }
  client.send(poll)
}

const publisher: Dialect["publisher"] = async (address, { room, streams }) => {
  const client = await HttpClient.HttpClient.open(address)
  const message = Template.forStreams(streams, (stream) => Buffer.from(JSON.stringify(Request.bare(stream))))
  const { answered, send } = batches(client, `/publish/${room}`)
  client.onBody = answered
  return (stream, sequence) => send(message(stream, sequence))
}

export const dialect: Dialect = { subscribe, publisher, answers: "never" }

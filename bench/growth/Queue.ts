/** Messages that wait for a session. */
import type { Delivery } from "../../src/core/Message.ts"
import * as MessageQueue from "../../src/core/MessageQueue.ts"
import * as State from "../../src/core/State.ts"
import { repeat } from "./Costs.ts"
import { clientId, poll, Server, socket, times } from "./Server.ts"
import { timed, type Work } from "./Work.ts"

const channel = "/news"
const client = 1

const waiting = (server: Server): ReadonlyArray<Delivery> => {
  const session = State.session(server.state, clientId(client))
  return session === undefined ? [] : MessageQueue.toArray(session.queue)
}

export const queue: Work = {
  name: "queue",
  title: "messages in a queue",
  sizes: [1, 10, 100, 1_000, 10_000],
  operations: timed({
    "append": "publish to the queue",
    "poll": "answer to a poll, per message",
    "return": "return of an answer, per message",
    "attach": "socket that takes them, per message"
  }),
  measure: (size, duration) => {
    const server = new Server()
    server.join(client, socket(client), channel)
    server.step(server.closed(socket(client)))
    const full = Math.ceil(size / 10)
    return repeat(duration, (stopwatch) => {
      for (let length = 0; length < size - full; length++) server.step(server.publish(channel))
      const publishes = times(full, () => server.publish(channel))
      stopwatch.time("append", full, () => publishes.forEach((input) => server.step(input)))
      const messages = waiting(server)
      const take = server.connect(client, poll(client))
      stopwatch.time("poll", size, () => server.step(take))
      const giveBack = server.returned(client, messages)
      stopwatch.time("return", size, () => server.step(giveBack))
      const attach = server.connect(client, socket(client))
      stopwatch.time("attach", size, () => server.step(attach))
      server.step(server.closed(socket(client)))
    })
  }
}

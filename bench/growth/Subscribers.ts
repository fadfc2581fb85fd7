/** Subscribers of one channel. */
import { repeat } from "./Costs.ts"
import { poll, Server, socket, times } from "./Server.ts"
import { timed, type Work } from "./Work.ts"

const channel = "/news"
const bundle = 20

/** With client 0, which comes and goes. */
const serverWith = (subscribers: number, over: typeof socket): Server => {
  const server = new Server()
  server.join(0, socket(0), "/other")
  for (let client = 1; client <= subscribers; client++) server.join(client, over(client), channel)
  return server
}

export const subscribers: Work = {
  name: "subscribers",
  title: "subscribers of one channel",
  sizes: [1, 10, 100, 1_000, 10_000],
  operations: timed({
    "publish": "publish",
    "publish-after-change": "publish after a subscription, per subscriber",
    "publish-to-polls": "publish to polls, per subscriber",
    "subscribe": "subscribe",
    "unsubscribe": "unsubscribe"
  }),
  measure: (size, duration) => {
    const server = serverWith(size, socket)
    const polls = serverWith(size, poll)
    return {
      ...repeat(duration, (stopwatch) => {
        stopwatch.step("subscribe", server, server.subscribe(0, channel))
        stopwatch.step("unsubscribe", server, server.unsubscribe(0, channel))
      }),
      ...repeat(duration, (stopwatch) => {
        const publishes = times(bundle, () => server.publish(channel))
        stopwatch.time("publish", bundle, () => publishes.forEach((input) => server.step(input)))
      }),
      ...repeat(duration, (stopwatch) => {
        server.step(server.subscribe(0, channel))
        server.step(server.unsubscribe(0, channel))
        const publish = server.publish(channel)
        stopwatch.time("publish-after-change", size, () => server.step(publish))
      }),
      ...repeat(duration, (stopwatch) => {
        const publish = polls.publish(channel)
        const endOfTurn = polls.turnEnded()
        stopwatch.time("publish-to-polls", size, () => {
          polls.step(publish)
          polls.step(endOfTurn)
        })
        for (let client = 1; client <= size; client++) polls.step(polls.connect(client, poll(client)))
      })
    }
  }
}

/** Channels with one subscriber each, all of which have been in use before. */
import { repeat } from "./Costs.ts"
import { numbers, Server, socket, times } from "./Server.ts"
import { timed, type Work } from "./Work.ts"

const bundle = 100
const mostOfEach = 1_000

const channelOf = (index: number): string => `/channels/${index}`

/** As few clients as can subscribe to so many channels. */
const populate = (size: number): Server => {
  const server = new Server()
  for (let first = 0; first < size; first += mostOfEach) {
    const client = 1 + first / mostOfEach
    server.join(
      client,
      socket(client),
      ...times(Math.min(mostOfEach, size - first), (index) => channelOf(first + index))
    )
  }
  return server
}

export const channels: Work = {
  name: "channels",
  title: "channels, each with a subscriber",
  sizes: [1, 10, 100, 1_000, 10_000, 100_000],
  operations: timed({
    "publish": "publish to any of them",
    "publish-after-change": "publish after a subscription",
    "subscribe": "subscribe to another",
    "unsubscribe": "unsubscribe"
  }),
  measure: (size, duration) => {
    const unchanging = populate(size)
    const server = unchanging.fork()
    const random = numbers()
    for (let index = 0; index < size; index++) unchanging.step(unchanging.publish(channelOf(index)))
    return repeat(duration, (stopwatch) => {
      const publishes = times(bundle, () => unchanging.publish(channelOf(random(size))))
      stopwatch.time("publish", bundle, () => publishes.forEach((input) => unchanging.step(input)))
      for (let i = 0; i < bundle; i++) {
        const other = `/others/${random(size)}`
        stopwatch.step("subscribe", server, server.subscribe(1, other))
        stopwatch.step("publish-after-change", server, server.publish(channelOf(random(size))))
        stopwatch.step("unsubscribe", server, server.unsubscribe(1, other))
      }
    })
  }
}

/** The depth of a channel: `/a/b/c` has three segments, and five patterns that match it. Each has a subscriber. */
import { type Channel, expand } from "../../src/core/Channel.ts"
import { repeat } from "./Costs.ts"
import { Server, socket, times } from "./Server.ts"
import { timed, type Work } from "./Work.ts"

const bundle = 20

export const depth: Work = {
  name: "depth",
  title: "segments of a channel, each pattern with a subscriber",
  sizes: [1, 2, 4, 8],
  operations: timed({
    "publish": "publish",
    "publish-after-change": "publish after a subscription, per subscriber",
    "subscribe": "subscribe to a pattern",
    "unsubscribe": "unsubscribe"
  }),
  measure: (size, duration) => {
    const server = new Server()
    const parents = times(size - 1, (index) => `/level${index}`).join("")
    const channel = `${parents}/leaf`
    const patterns = expand(channel as Channel)
    server.join(0, socket(0))
    patterns.forEach((pattern, index) => server.join(index + 1, socket(index + 1), pattern))
    const pattern = `${parents}/*`
    return repeat(duration, (stopwatch) => {
      stopwatch.step("subscribe", server, server.subscribe(0, pattern))
      stopwatch.step("unsubscribe", server, server.unsubscribe(0, pattern))
      const publish = server.publish(channel)
      stopwatch.time("publish-after-change", patterns.length, () => server.step(publish))
      const again = times(bundle, () => server.publish(channel))
      stopwatch.time("publish", bundle, () => again.forEach((input) => server.step(input)))
    })
  }
}

/**
 * Clients that give up their polls at random, behind real proxies: what they say themselves (an acknowledgement, or the
 * `id` of a connect whose answer they have not read, as Faye's clients do) decides what comes again, and not what the
 * proxy does with its own connections.
 */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { limit, seeds } from "../support/seeds.ts"
import { documented, haproxyConfig, nginxSite, startHaproxy, startNginx, type WebProxy } from "../support/webProxies.ts"
import { random, releaseAll, serve, until } from "../transport/support.ts"
import { fateOf, type Manner, once, Poller } from "./support.ts"

const [nginx, haproxy] = [inject("nginx"), inject("haproxy")]

afterEach(releaseAll)

type Start = (port: number) => Promise<WebProxy>

const at = (port: number) => `127.0.0.1:${port}`

const ofNginx: ReadonlyArray<readonly [string, Start]> = [
  ["nginx as documented", (port) => startNginx(nginx, documented("nginx.conf").replace(at(8000), at(port)))],
  ["nginx as it is by default", (port) => startNginx(nginx, nginxSite(at(port)))]
]

const ofHaproxy: ReadonlyArray<readonly [string, Start]> = [
  ["haproxy as documented", (port) => startHaproxy(haproxy, documented("haproxy.cfg").replace(at(8000), at(port)))],
  ["haproxy as it is by default", (port) => startHaproxy(haproxy, haproxyConfig(at(port)))],
  [
    "haproxy with http-server-close",
    (port) => startHaproxy(haproxy, haproxyConfig(at(port), "option http-server-close"))
  ]
]

const ways = [...(nginx === "" ? [] : ofNginx), ...(haproxy === "" ? [] : ofHaproxy)]

const manners: ReadonlyArray<readonly [string, Manner]> = [
  ["acknowledge", "ack"],
  ["send a connect again with its id, as Faye's do,", "faye"]
]

const wanted = 400

/** Has clients give up their polls, `wanted` times in all, while messages are published. */
const giveUpPolls = async (start: Start, manner: Manner, seed: number): Promise<void> => {
  const server = await serve()
  const { url } = await start(server.port)
  const { below, chance } = random(seed)
  const giveUp = () => chance(0.6) ? below(16) : undefined
  const pollers = await Promise.all(Array.from({ length: 8 }, () => Poller.begin(url, "/a", { manner, giveUp })))
  const givenUp = () => pollers.reduce((sum, { givenUp }) => sum + givenUp, 0)
  let count = 0
  while (givenUp() < wanted) {
    await server.publish("/a", count++)
    await new Promise((resolve) => setTimeout(resolve, below(17)))
  }
  for (const poller of pollers) poller.steady()
  await server.publish("/a", count)
  await until("the last message", () => pollers.every(({ received }) => received.includes(count)))
  // Two more, so that what comes again has come.
  for (const n of [count + 1, count + 2]) {
    await server.publish("/a", n)
    await until("one more message", () => pollers.every(({ received }) => received.includes(n)))
  }
  for (const { failed, received } of pollers) {
    assert.strictEqual(fateOf(received, count + 3), once, `seed ${seed}`)
    assert.strictEqual(failed, 0)
  }
}

describe.skipIf(ways.length === 0).each(ways)("behind %s", (_, start) => {
  it.each(manners)(
    `clients that %s and give up ${wanted} polls get each message once`,
    { timeout: limit(60_000) },
    async (_, manner) => {
      for (const seed of seeds(1)) await giveUpPolls(start, manner, seed)
    }
  )
})

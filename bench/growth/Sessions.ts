/**
 * Sessions on sockets, with a subscription and a held connect that is due at a time of its own; a tenth of them has
 * never connected and will end. In each round the next deadline passes, and another one that a client has put off in
 * time; one session, picked by chance, does what clients do, and the oldest goes. Whoever has gone is replaced.
 */
import { HashMap } from "effect"
import * as DeadlineTree from "../../src/core/DeadlineTree.ts"
import * as Machine from "../../src/core/Machine.ts"
import * as Session from "../../src/core/Session.ts"
import * as State from "../../src/core/State.ts"
import { type Costs, type Duration, repeat, type Stopwatch } from "./Costs.ts"
import { clientId, numbers, Server, settings, socket, times } from "./Server.ts"
import { timed, type Work } from "./Work.ts"

const channelOf = (client: number): string => `/clients/${client}`

/** The clients that have not gone: those that talk are numbered from 1 up, silent ones from -1 down. */
interface Population {
  readonly server: Server
  readonly talking: number
  oldest: number
  newest: number
  newestSilent: number
}

/** They arrive spread over the time-out, so that deadlines of both kinds come up side by side from then on. */
const populate = (size: number): Population => {
  const server = new Server()
  const silent = size / 10
  const talking = size - silent
  for (let client = 1; client <= silent; client++) {
    server.now = settings.timeout * (client - 0.5) / silent
    server.step(server.handshake(-client))
  }
  for (let client = 1; client <= talking; client++) {
    server.now = settings.timeout * (1 + client / talking)
    server.join(client, socket(client), channelOf(client))
  }
  return { server, talking, oldest: 1, newest: talking, newestSilent: -silent }
}

/** A moment much shorter than that between two deadlines. */
const pause = ({ server, talking }: Population): void => {
  server.now += settings.timeout / talking / 100
}

const heap = (): number => {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

/** With fewer of them, what is loaded meanwhile would count more than they do. */
const leastForMemory = 1_000

/** What the state holds for each of them. */
const bytesOfEach = (size: number): number => {
  populate(leastForMemory)
  const before = heap()
  const { server } = populate(size)
  const bytes = heap() - before
  return bytes / HashMap.size(server.state.sessions)
}

/** How long a `Map` of as many objects takes to give one and take another: what the machine's memory does to anybody. */
const yardstick = (size: number, duration: Duration): Costs => {
  const bundle = 10
  const random = numbers()
  const keys: ReadonlyArray<string> = times(size, clientId)
  const map = new Map(keys.map((key) => [key, { seen: 0 }]))
  return repeat(duration, (stopwatch) => {
    const picked = times(bundle, () => keys[random(size)] ?? "")
    stopwatch.time("yardstick", bundle, () => {
      for (const key of picked) map.set(key, { seen: (map.get(key)?.seen ?? 0) + 1 })
    })
  })
}

/** The sessions whose entries come up now. */
const dueNow = ({ state, now }: Pick<Server, "state" | "now">): ReadonlyArray<Session.Session> => {
  const found: Array<Session.Session> = []
  let { deadlines } = state
  for (;;) {
    const clientId = DeadlineTree.due(deadlines, now)
    const session = clientId === undefined ? undefined : State.session(state, clientId)
    if (session === undefined) return found
    found.push(session)
    deadlines = DeadlineTree.remove(deadlines, session.armedAt, session.clientId)
  }
}

const whatIsDue = (session: Session.Session, now: number): string => {
  const held = Session.held(session)
  if (session.expiresAt <= now) return "session-timeout"
  return held !== undefined && held.until <= now ? "connect-timeout" : "nothing-due"
}

/** The next deadline passes. Whose connect was answered connects again, who has gone is replaced. */
const passTime = (population: Population, stopwatch: Stopwatch): void => {
  const { server } = population
  server.now = Math.max(server.now, Machine.nextDeadline(server.state))
  const [first, ...others] = dueNow(server)
  if (first === undefined) return
  if (others.length === 0) stopwatch.step(whatIsDue(first, server.now), server, server.deadline())
  else server.step(server.deadline())
  for (const session of [first, ...others]) {
    pause(population)
    if (session.link._tag === "Detached") server.step(server.handshake(--population.newestSilent))
    else connectAgain(population, session)
  }
}

const connectAgain = ({ server }: Population, { link }: Session.Session): void => {
  if (link._tag === "Attached") server.step(server.connect(link.connection, socket(link.connection)))
}

/** The client whose turn is next connects just before: its deadline passes, and nothing is due. */
const putOff = (population: Population, stopwatch: Stopwatch): void => {
  const { now, state } = population.server
  const [next] = dueNow({ state, now: Math.max(now, Machine.nextDeadline(state)) })
  if (next === undefined) return
  connectAgain(population, next)
  passTime(population, stopwatch)
}

/** A client connects before it has to, subscribes to something else, gets messages, and changes its mind. */
const act = (population: Population, client: number, stopwatch: Stopwatch): void => {
  const { server } = population
  pause(population)
  const other = `/others/${client}`
  const channel = channelOf(client)
  stopwatch.step("connect-again", server, server.connect(client, socket(client)))
  stopwatch.step("subscribe", server, server.subscribe(client, other))
  stopwatch.step("publish-after-change", server, server.publish(channel))
  stopwatch.step("publish", server, server.publish(channel))
  stopwatch.step("unsubscribe", server, server.unsubscribe(client, other))
}

/** The oldest leaves, a new one comes. */
const comeAndGo = (population: Population, stopwatch: Stopwatch): void => {
  const { server } = population
  const client = ++population.newest
  pause(population)
  stopwatch.step("disconnect", server, server.disconnect(population.oldest++))
  stopwatch.step("handshake", server, server.handshake(client))
  server.step(server.subscribe(client, channelOf(client)))
  stopwatch.step("connect", server, server.connect(client, socket(client)))
}

export const sessions: Work = {
  name: "sessions",
  title: "sessions",
  sizes: [10, 100, 1_000, 10_000, 100_000],
  operations: [
    ...timed({
      "handshake": "handshake",
      "connect": "first connect",
      "connect-again": "connect",
      "subscribe": "subscribe",
      "unsubscribe": "unsubscribe",
      "publish": "publish to one subscriber",
      "publish-after-change": "publish after a subscription",
      "disconnect": "disconnect",
      "connect-timeout": "time-out of a connect",
      "session-timeout": "time-out of a session",
      "nothing-due": "deadline that was put off"
    }),
    { name: "yardstick", title: "yardstick: a plain Map", unit: "µs", isYardstick: true },
    { name: "memory", title: "memory of a session", unit: "bytes" }
  ],
  measure: (size, duration) => {
    const memory = size < leastForMemory ? {} : { memory: bytesOfEach(size) }
    const population = populate(size)
    const random = numbers()
    const costs = repeat(duration, (stopwatch) => {
      passTime(population, stopwatch)
      putOff(population, stopwatch)
      act(population, population.oldest + random(population.talking), stopwatch)
      comeAndGo(population, stopwatch)
    })
    return { ...costs, ...memory, ...yardstick(size, duration) }
  }
}

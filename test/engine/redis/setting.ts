/** Processes of the command on a Redis server of their own, with a proxy in between for each if the test wants one. */
import { afterAll, afterEach, assert, beforeAll, beforeEach, inject } from "@effect/vitest"
import { Effect } from "effect"
import { Engine } from "../../../src/engine/Engine.ts"
import * as RedisEngine from "../../../src/engine/redis/RedisEngine.ts"
import { Cluster } from "../../support/cluster.ts"
import { Proxy } from "../../support/proxy.ts"
import { type RedisOptions, RedisServer } from "../../support/redis.ts"
import { releaseLater } from "../../transport/support.ts"

export interface SettingOptions {
  /** How many processes. Default: 3. */
  readonly size?: number
  readonly redis?: RedisOptions
  /** Whether each process reaches Redis through a proxy. */
  readonly isProxied?: boolean
  /** How long a connect is held, in seconds; sessions live twice as long. Default: 8. */
  readonly timeout?: number
  /** Default: {@link longLease}. */
  readonly lease?: number
  /** What to start. Default: the command. */
  readonly program?: URL
}

export interface Setting {
  readonly redis: RedisServer
  readonly cluster: Cluster
  /** The way of the process at that place to Redis. */
  readonly proxies: ReadonlyArray<Proxy>
}

/**
 * How long a process may be silent before the others take its sessions, in milliseconds, where a test waits for that. On a
 * busy machine a process may well be that late.
 */
export const lease = 1_000

/** As long where nothing of the kind is to happen. */
export const longLease = 6_000

export const namespace = "test"

const engineUrl = (port: number) => `redis://127.0.0.1:${port}/0?namespace=${namespace}`

export const begin = async (
  { isProxied = false, lease = longLease, program, redis: options, size = 3, timeout = 8 }: SettingOptions = {}
): Promise<Setting> => {
  const redis = await RedisServer.start(inject("redis"), options)
  const proxies = isProxied ? await Promise.all(Array.from({ length: size }, () => Proxy.start(redis.port))) : []
  const cluster = await Cluster.start({
    size,
    program,
    args: (place) => {
      const { port } = proxies[place] ?? redis
      return ["--engine", engineUrl(port), "--lease", `${lease / 1000}`, "--timeout", `${timeout}`]
    }
  })
  return { redis, cluster, proxies }
}

/**
 * Has a setting for all tests of a suite, which ends with the suite; what else a test opens ends with the test. Gives a
 * function that gives it.
 */
export const share = (options?: SettingOptions): () => Setting => {
  let setting: Setting | undefined
  const releaseSuite = releaseLater()
  let releaseTest = releaseSuite
  beforeAll(async () => {
    setting = await begin(options)
  })
  beforeEach(() => {
    releaseTest = releaseLater()
  })
  afterEach(() => releaseTest())
  afterAll(releaseSuite)
  return () => {
    if (setting === undefined) throw new Error("The setting has not begun")
    return setting
  }
}

/** What is in store, as an engine in this process sees it. */
export const counts = ({ redis }: Setting) =>
  Engine.use((engine) => engine.counts).pipe(
    Effect.provide(RedisEngine.layer({ url: redis.url, namespace })),
    Effect.runPromise
  )

/** The names of all keys, without what they have in common. */
export const keys = async ({ redis }: Setting): Promise<ReadonlyArray<string>> => {
  const all = await redis.command("KEYS", `{${namespace}}:*`) as ReadonlyArray<string>
  return all.map((key) => key.slice(namespace.length + 3))
}

/** Nothing in store is left of any session. */
export const assertNoSessions = async (setting: Setting): Promise<void> => {
  assert.deepStrictEqual(await counts(setting), { sessions: 0, subscribers: new Map() })
  assert.deepStrictEqual((await keys(setting)).filter((key) => /^(?:[suno]:|cnt$|ids$)/.test(key)), [])
}

/** So many milliseconds of a fault. */
export const lasting = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** The servers of suites whose clients are cut off: each function gives the ports. */
import { begin } from "../engine/redis/setting.ts"
import { startServer } from "../support/server.ts"
import { atEnd } from "../transport/support.ts"

/** One process. */
export const one = async (): Promise<ReadonlyArray<number>> => {
  const server = await startServer()
  atEnd(() => server.stop())
  return [server.port]
}

/** Three processes on one Redis: the next connection after a cut is to another one. */
export const several = async (): Promise<ReadonlyArray<number>> =>
  (await begin({ size: 3 })).cluster.urls.map((url) => Number(new URL(url).port))

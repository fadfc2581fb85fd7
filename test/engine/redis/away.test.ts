/** While Redis is away: processes stay up, publishes wait for a while, sessions live, and all goes on by itself. */
import { afterEach, assert, describe, inject, it } from "@effect/vitest"
import { Exchange, Publisher, Session, straight } from "../../support/roaming.ts"
import { patience, releaseAll, request, subscribeMessage, until } from "../../transport/support.ts"
import * as Account from "./account.ts"
import { assertNoSessions, begin, lasting, type Setting } from "./setting.ts"

afterEach(releaseAll)

/** Waits until each process says that it can do its work, or that it cannot. */
const healthBecomes = async ({ cluster }: Setting, status: 200 | 503): Promise<void> => {
  for (const url of cluster.urls) {
    await until(`health ${status} at ${url}`, async () => (await request(`${url}/health`)).status === status)
  }
}

const url = ({ cluster }: Setting, place: number): string => cluster.urls[place] ?? ""

/** Waits until a session has received something; it must not be forgotten meanwhile. */
const receive = (session: Session, count = 1): Promise<boolean> =>
  until(() => `${count} messages, there were ${session.received.flat().length}`, () => {
    if (session.forgotten !== undefined) throw new Error(`The session was forgotten: ${session.forgotten}`)
    return session.received.flat().length >= count
  })

/** A session at the first process that hears a channel, and a publisher at the second. */
const beginClients = async (setting: Setting, channel: string) => {
  const exchange = new Exchange(straight(url(setting, 0)))
  const session = await Session.begin(exchange)
  await exchange.send(subscribeMessage(session.clientId, channel))
  return { exchange, session, publisher: new Publisher("p", straight(url(setting, 1))) }
}

const aof = { appendfsync: "always" } as const

describe.skipIf(inject("redis") === "")("RedisEngine, while Redis is away,", () => {
  it("lets publishes wait, and they are accepted when it is back", async () => {
    const setting = await begin({ size: 2, redis: aof })
    const { exchange, publisher, session } = await beginClients(setting, "/a")
    session.attend("websocket", straight(url(setting, 0)))
    await publisher.publishForSure(["/a"])
    await setting.redis.kill()
    await healthBecomes(setting, 503)
    const waiting = publisher.publish(["/a", "/a", "/a"])
    await setting.redis.start()
    assert.deepStrictEqual((await waiting).map(({ outcome }) => outcome), ["accepted", "accepted", "accepted"])
    await healthBecomes(setting, 200)
    await receive(session, 4)
    await session.disconnect(exchange)
    const account = Account.balance(publisher.published, [session.received])
    assert.deepInclude(account, { accepted: 4, lost: 0, doubled: 0, reordered: 0 })
    await assertNoSessions(setting)
  })

  it("refuses what waits too long, and at once what is too much, and delivers none of it", async () => {
    const setting = await begin({ size: 2, redis: aof, timeout: 60 })
    const { exchange, publisher, session } = await beginClients(setting, "/a")
    session.attend("long-polling", straight(url(setting, 0)))
    await publisher.publishForSure(["/a"])
    await setting.redis.kill()
    await healthBecomes(setting, 503)
    let isAnswered = false
    const full = publisher.publish(Array.from({ length: 10_000 }, () => "/a")).finally(() => isAnswered = true)
    // It does not wait for an answer for long, so what answers it is no time-out.
    const other = new Publisher("q", { ...straight(url(setting, 1)), patience: 500 })
    const error = await until("a publish to be refused", async () => {
      const [one] = await other.publish(["/a"])
      return one?.outcome === "refused" && one.error
    }, 3 * patience)
    assert.isFalse(isAnswered, "those that wait still do")
    assert.match(error, /^503:\/a:/)
    for (const { error = "", outcome } of await full) {
      assert.strictEqual(outcome, "refused")
      assert.match(error, /^503:\/a:/)
    }
    await setting.redis.start()
    await publisher.publishForSure(["/a"])
    const last = publisher.published.at(-1)?.n
    await until("the last message", () => session.received.flat().some(({ by, n }) => by === "p" && n === last))
    await session.disconnect(exchange)
    const account = Account.balance([...publisher.published, ...other.published], [session.received])
    console.log(Account.line("Redis is away for longer than publishes wait", 1, account))
    assert.deepInclude(account, { lost: 0, doubled: 0, reordered: 0, unfounded: 0 })
    await assertNoSessions(setting)
  })

  it("ends no session, and no process ends; when it is back the silent end once", async () => {
    const setting = await begin({ size: 2, redis: aof, timeout: 3 })
    const { exchange, publisher, session: silent } = await beginClients(setting, "/a")
    const session = await Session.begin(exchange)
    await exchange.send(subscribeMessage(session.clientId, "/a"))
    session.attend("long-polling", straight(url(setting, 0)))
    await setting.redis.kill()
    await lasting(8_000)
    await setting.redis.start()
    await publisher.publishForSure(["/a"])
    await receive(session)
    silent.attend("long-polling", straight(url(setting, 1)))
    await receive(silent)
    await silent.leave()
    const ends = () =>
      setting.cluster.events.filter(({ _tag, clientId }) => _tag === "Disconnect" && clientId === silent.clientId)
    await until("its end", () => ends().length > 0)
    await session.disconnect(exchange)
    await assertNoSessions(setting)
    assert.deepInclude(ends()[0]?.["cause"], { _tag: "Timeout" })
    assert.strictEqual(ends().length, 1)
    for (const { command } of setting.cluster.members) assert.isNull(command.process.exitCode)
  })
})

/** The subscribers and publishers of a scenario, opened at a server and ready to publish. */
import type { Dialect, Publication, Subscription } from "../dialects/Dialect.ts"
import { Deliveries } from "./Deliveries.ts"

export interface Plan {
  readonly subscriptions: ReadonlyArray<Subscription>
  readonly publications: ReadonlyArray<Publication>
  /** By stream: the subscribers, as indices of `subscriptions`, that get its messages. */
  readonly groups: ReadonlyArray<ReadonlyArray<number>>
}

export interface Load {
  readonly deliveries: Deliveries
  /** Whether each publish is answered in the end. */
  readonly isAnswered: boolean
  readonly streams: number
  /** Publishes the next message of a stream. */
  readonly publish: (stream: number) => void
}

const openAtOnce = 32

/** Does something for each item, for some of them at a time. */
export const forAll = async <A>(
  items: ReadonlyArray<A>,
  run: (item: A, index: number) => Promise<void>
): Promise<void> => {
  const entries = items.entries()
  const worker = async () => {
    for (const [index, item] of entries) await run(item, index)
  }
  await Promise.all(Array.from({ length: openAtOnce }, worker))
}

const numbered = (publication: Publication) => publication.streams.map(({ stream }) => stream)

/**
 * Opens everything, at each of the ports in turn: when the promise ends, all subscriptions are confirmed. Dialects that
 * need no port get 0.
 */
export const open = async (dialect: Dialect, ports: ReadonlyArray<number>, plan: Plan): Promise<Load> => {
  const { groups, publications, subscriptions } = plan
  const addressOf = (peer: number) => ({ peer, port: ports[peer % ports.length] ?? 0 })
  const asked = new Set(publications.filter(({ answered }) => answered).flatMap(numbered))
  const deliveries = new Deliveries(
    subscriptions.length,
    groups.map((subscribers, stream) => ({
      subscribers,
      awaitsAnswer: asked.has(stream) && dialect.answers !== "never"
    }))
  )
  await forAll(subscriptions, (subscription, peer) =>
    dialect.subscribe(
      addressOf(peer),
      subscription,
      (stream, sequence) => deliveries.deliver(peer, stream, sequence)
    ))
  const publishOf = new Map<number, (stream: number, sequence: number) => void>()
  await forAll(publications, async (publication, index) => {
    const publish = await dialect.publisher(
      addressOf(subscriptions.length + index),
      publication,
      (stream, sequence) => deliveries.answer(stream, sequence)
    )
    for (const stream of numbered(publication)) publishOf.set(stream, publish)
  })
  return {
    deliveries,
    isAnswered: dialect.answers === "always" || dialect.answers === "asked" && asked.size > 0,
    streams: groups.length,
    publish: (stream) => publishOf.get(stream)?.(stream, deliveries.send(stream))
  }
}

/**
 * Series of Effect's metrics that are read when somebody collects them, and not kept up to date meanwhile: a scrape, an
 * export, a snapshot each ask anew.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

/** What a series is called, what it says, and its labels. */
export interface Name {
  readonly name: string
  readonly description: string
  readonly attributes?: Metric.Metric.AttributeSet
}

const nothing = (): void => {}

/** The series of one owner, in the registry of whoever has made it. */
export class Series {
  readonly #context: Context.Context<never>
  readonly #registrations = new Set<Metric.Registration>()

  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  /** A number that only grows. */
  counter({ name, ...options }: Name, read: () => number): void {
    const incremental = true
    this.#register(Metric.counter(name, { ...options, incremental }), () => ({ count: read(), incremental }))
  }

  /** A number that is as it is. Gives a function that takes the series out. */
  gauge({ name, ...options }: Name, read: () => number): () => void {
    return this.#register(Metric.gauge(name, options), () => ({ value: read() }))
  }

  /** How often what was measured was how much. */
  histogram({ name, ...options }: Name, boundaries: ReadonlyArray<number>, read: () => Metric.HistogramState): void {
    this.#register(Metric.histogram(name, { ...options, boundaries }), read)
  }

  /** Takes all of them out. */
  remove(): void {
    for (const registration of this.#registrations) registration.remove()
    this.#registrations.clear()
  }

  #register<Input, State>(metric: Metric.Metric<Input, State>, get: () => State): () => void {
    const registration = Metric.registerUnsafe(metric, this.#context, { get, update: nothing, modify: nothing })
    this.#registrations.add(registration)
    return () => {
      registration.remove()
      this.#registrations.delete(registration)
    }
  }
}

/** None yet; with the scope they all go. The registry is the one of whoever runs this (`Metric.MetricRegistry`). */
export const make: Effect.Effect<Series, never, Scope.Scope> = Effect.acquireRelease(
  Effect.contextWith((context: Context.Context<never>) => Effect.succeed(new Series(context))),
  (series) => Effect.sync(() => series.remove())
)

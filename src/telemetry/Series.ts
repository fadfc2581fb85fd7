/**
 * Series of Effect's metrics whose values are read at each collection (a scrape, an export, a snapshot) and are not kept
 * up to date meanwhile.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"

/** Name, description and labels of a series. */
export interface Description {
  readonly name: string
  readonly description: string
  readonly attributes?: Metric.Metric.AttributeSet
}

const ignore = (): void => {}

/** The series of one owner, in the registry of `context`. */
export class Series {
  readonly #context: Context.Context<never>
  readonly #registrations = new Set<Metric.Registration>()

  constructor(context: Context.Context<never>) {
    this.#context = context
  }

  /** Registers a number that only grows. */
  counter({ name, ...options }: Description, read: () => number): void {
    const incremental = true
    this.#register(Metric.counter(name, { ...options, incremental }), () => ({ count: read(), incremental }))
  }

  /** Registers a number that may change both ways. Returns a function that removes the series. */
  gauge({ name, ...options }: Description, read: () => number): () => void {
    return this.#register(Metric.gauge(name, options), () => ({ value: read() }))
  }

  /** Registers a histogram. */
  histogram(
    { name, ...options }: Description,
    boundaries: ReadonlyArray<number>,
    read: () => Metric.HistogramState
  ): void {
    this.#register(Metric.histogram(name, { ...options, boundaries }), read)
  }

  /** Removes all series. */
  remove(): void {
    for (const registration of this.#registrations) registration.remove()
    this.#registrations.clear()
  }

  #register<Input, State>(metric: Metric.Metric<Input, State>, get: () => State): () => void {
    const registration = Metric.registerUnsafe(metric, this.#context, { get, update: ignore, modify: ignore })
    this.#registrations.add(registration)
    return () => {
      registration.remove()
      this.#registrations.delete(registration)
    }
  }
}

/** Creates an empty set of series for the current registry (`Metric.MetricRegistry`). They are removed with the scope. */
export const make: Effect.Effect<Series, never, Scope.Scope> = Effect.acquireRelease(
  Effect.contextWith((context: Context.Context<never>) => Effect.succeed(new Series(context))),
  (series) => Effect.sync(() => series.remove())
)

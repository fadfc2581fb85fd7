/**
 * Metrics of the consumers of the monitoring stream, one series for each name. The series come and go with the
 * consumers: a new consumer is in the first collection after its beginning.
 */
import type { Lag } from "../monitor/Monitor.ts"
import type { Series } from "./Series.ts"

/** Default names in `Monitor.consumers`. These consumers share one series. */
const unnamed = /^consumer \d+$/

const labelOf = ({ name }: Lag): string => unnamed.test(name) ? "unnamed" : name

/** Registers the series of present and future consumers. */
export const register = (series: Series, read: () => ReadonlyArray<Lag>): void => {
  const registered = new Map<string, () => void>()
  let lags: ReadonlyArray<Lag> = []
  const named = (consumer: string) => lags.filter((lag) => labelOf(lag) === consumer)

  const add = (consumer: string): () => void => {
    const attributes = { consumer }
    const removeBehind = series.gauge(
      { name: "bayeux_monitor_behind_events", description: "Events with which a consumer is not done", attributes },
      () => Math.max(0, ...named(consumer).map(({ behind }) => behind))
    )
    const removeMissed = series.gauge(
      { name: "bayeux_monitor_missed_events", description: "Events that a consumer has lost", attributes },
      () => named(consumer).reduce((sum, { missed }) => sum + missed, 0)
    )
    const removeBytes = series.gauge(
      { name: "bayeux_monitor_waiting_bytes", description: "Bytes of events that wait for a consumer", attributes },
      () => named(consumer).reduce((sum, { bytes }) => sum + bytes, 0)
    )
    return () => {
      removeBehind()
      removeBytes()
      removeMissed()
    }
  }

  const refresh = (): void => {
    lags = read()
    const names = new Set(lags.map(labelOf))
    for (const name of names) if (!registered.has(name)) registered.set(name, add(name))
    for (const [name, remove] of registered) {
      if (names.has(name)) continue
      remove()
      registered.delete(name)
    }
  }

  series.gauge({ name: "bayeux_monitor_consumers", description: "Consumers of the monitoring stream" }, () => {
    refresh()
    return lags.length
  })
}

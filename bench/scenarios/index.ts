/** All scenarios, in the order of the table. */
import * as Cycles from "./Cycles.ts"
import * as FanOut from "./FanOut.ts"
import { idle } from "./Idle.ts"
import { pairsOf200 } from "./Pairs.ts"
import { byPatterns } from "./Patterns.ts"
import type { Scenario } from "./Scenario.ts"
import { steady } from "./Steady.ts"

export const scenarios: ReadonlyArray<Scenario> = [
  FanOut.to100,
  FanOut.to1000,
  FanOut.to1000OneByOne,
  pairsOf200,
  byPatterns,
  FanOut.overLongPolling,
  Cycles.overWebSocket,
  Cycles.overHttp,
  steady,
  idle
]

/** What the generator and the program that runs it say to each other. */
import type { Usage } from "../load/Usage.ts"
import type { Figures, Setting } from "../scenarios/Scenario.ts"

export type ToGenerator =
  | { readonly _tag: "Run"; readonly scenario: string; readonly setting: Omit<Setting, "usage"> }
  | { readonly _tag: "Usage"; readonly usage: Usage }

export type FromGenerator =
  | { readonly _tag: "UsageAsked"; readonly gc: boolean }
  | { readonly _tag: "Done"; readonly figures: Figures }
  | { readonly _tag: "Failed"; readonly reason: string }

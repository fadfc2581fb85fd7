/** All attacks, in the order in which they are run. */
import type { Attack } from "./Attack.ts"
import { connections } from "./connections.ts"
import { byName } from "./names.ts"
import { output } from "./output.ts"
import { page } from "./page.ts"
import { queues } from "./queues.ts"

export const attacks: ReadonlyArray<Attack> = [...queues, ...byName, ...output, page, ...connections]

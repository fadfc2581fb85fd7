/** All that grows, in the order of the tables. */
import { channels } from "./Channels.ts"
import { depth } from "./Depth.ts"
import { queue } from "./Queue.ts"
import { sessions } from "./Sessions.ts"
import { subscribers } from "./Subscribers.ts"
import type { Work } from "./Work.ts"

export const works: ReadonlyArray<Work> = [subscribers, sessions, channels, depth, queue]

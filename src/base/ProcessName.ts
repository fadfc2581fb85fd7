/** Name of this process for people: in events, on the monitor page, and as the beginning of its name in a shared store. */
import { hostname } from "node:os"

/** Host's name and process id, as `host:123`. */
export const processName = `${hostname()}:${process.pid}`

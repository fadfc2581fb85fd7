/** What all servers do as programs: say where they listen, end when they are told to, and tell what they use. */
import type { Server } from "node:net"
import * as Usage from "../load/Usage.ts"

declare const gc: ((options: { readonly type: "major"; readonly flavor: "last-resort" }) => void) | undefined

/** How long the collector has to give memory back to the system. */
const settling = 200

/**
 * Calls back when there is no garbage left, if that was asked for, and the collector has given back the room that it
 * keeps in reserve for new objects (up to 128 MiB after a rush of connections), as it does by itself in a process that
 * has been idle for a while.
 */
const collect = (isAsked: boolean, done: () => void): void => {
  if (!isAsked || typeof gc !== "function") return done()
  const all = { type: "major", flavor: "last-resort" } as const
  gc(all)
  setTimeout(() => {
    gc(all)
    done()
  }, settling)
}

/** Answers the messages of the program that started this one, and ends with it. */
const answerUsage = (): void => {
  process.on("message", (message: { readonly gc?: boolean }) => {
    collect(message.gc === true, () => process.send?.(Usage.now()))
  })
  process.on("disconnect", () => process.exit())
}

/** Prints the port as a line of JSON. */
export const announce = (port: number): void => {
  answerUsage()
  console.log(JSON.stringify({ port }))
}

/** Listens on a free port of the loopback address, until SIGTERM. */
export const listen = (server: Server): void => {
  process.on("SIGTERM", () => process.exit())
  server.listen({ host: "127.0.0.1", port: 0, backlog: 4_096 }, () => {
    const address = server.address()
    if (typeof address === "object" && address !== null) announce(address.port)
  })
}

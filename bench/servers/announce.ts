/** What all servers do as programs: say where they listen, end when they are told to, and tell what they use. */
import type { Server } from "node:net"
import * as Usage from "../load/Usage.ts"

declare const gc: (() => void) | undefined

/** How long the collector has to give memory back to the system. */
const settling = 200

/** Calls back when there is no garbage left, if that was asked for. What the heap has grown to stays with the process. */
const collect = (isAsked: boolean, done: () => void): void => {
  if (!isAsked || typeof gc !== "function") return done()
  gc()
  setTimeout(() => {
    gc()
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

/** Loaded before an example, which says `port: 8000` as a user would: it listens on the port in PORT instead. */
import { Server } from "node:net"

// oxlint-disable-next-line typescript/unbound-method -- it is called with the server below
const { listen } = Server.prototype
const move = (argument: unknown): unknown => {
  if (argument === 8000) return Number(process.env["PORT"])
  return typeof argument === "object" && argument !== null && "port" in argument
    ? { ...argument, port: move(argument.port) }
    : argument
}
Server.prototype.listen = function(this: Server, ...args: Array<unknown>) {
  return Reflect.apply(listen, this, args.map(move))
} as typeof listen

/** What is used of the peers, so that types can be checked without installing them. */

declare module "faye" {
  import type { Server as HttpServer } from "node:http"
  const faye: {
    readonly NodeAdapter: new(options: { readonly mount: string; readonly timeout: number }) => {
      readonly attach: (server: HttpServer) => void
    }
  }
  export default faye
}

declare module "socket.io" {
  import type { Server as HttpServer } from "node:http"
  interface Socket {
    join(room: string): Promise<void> | void
    on(event: "join", listener: (room: string, done?: () => void) => void): void
    on(event: "publish", listener: (room: string, message: unknown) => void): void
  }
  export class Server {
    constructor(server: HttpServer, options: { transports: Array<string>; serveClient: boolean })
    on(event: "connection", listener: (socket: Socket) => void): void
    to(room: string): { emit(event: string, message: unknown): void }
  }
}

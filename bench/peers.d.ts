/** What is used of the peers, so that types can be checked without installing them. */

declare module "faye" {
  import type { Server as HttpServer } from "node:http"
  interface Options {
    readonly mount: string
    readonly timeout: number
    readonly engine?: {
      readonly type: unknown
      readonly host: string
      readonly port: number
      readonly namespace: string
    }
  }
  interface Socket {
    readonly send: (text: string) => void
    readonly close: () => void
  }
  const faye: {
    readonly NodeAdapter: new(options: Options) => {
      readonly attach: (server: HttpServer) => void
      readonly _server: {
        readonly openSocket: (clientId: unknown, socket: Socket, request: undefined) => void
        readonly process: (
          messages: ReadonlyArray<object>,
          request: undefined,
          callback: (replies: ReadonlyArray<object>) => void
        ) => void
      }
    }
  }
  export default faye
}

declare module "faye-redis" {
  const engine: unknown
  export default engine
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

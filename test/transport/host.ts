// @effect-diagnostics anyUnknownInErrorContext:off -- tests build layers of any kind
/** Servers for HTTPS, and servers that do something else already. */
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, ManagedRuntime, Option, Scope } from "effect"
import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http"
import { createServer as createHttpsServer, request as httpsRequest } from "node:https"
import { type AddressInfo } from "node:net"
import { WebSocketServer } from "ws"
import { Bayeux, MemoryEngine, Monitor, NodeServer, Transports } from "../../src/index.ts"
import { selfSigned } from "../support/certificate.ts"
import { atEnd, type Message, serve, serverLayer, within } from "./support.ts"

/** Builds the server's layer and gives the error. */
export const failure = async (options: Parameters<typeof serverLayer>[0]) => {
  const exit = await Effect.runPromiseExit(Effect.scoped(Layer.build(serverLayer(options))))
  if (Exit.isSuccess(exit)) throw new Error("The server did start")
  return Option.getOrThrow(Cause.findErrorOption(exit.cause)) as Error
}

/** A server for HTTPS, and a way to post messages to it. */
export const serveTls = async () => {
  const { cert, key } = selfSigned()
  const server = await serve({ node: { createServer: () => createHttpsServer({ key, cert }) } })
  assert.isTrue(server.url.startsWith("https://127.0.0.1:"))
  const send = (messages: unknown) =>
    within(
      "an answer",
      new Promise<ReadonlyArray<Message>>((resolve, reject) => {
        const headers = { "Content-Type": "application/json" }
        const sent = httpsRequest(server.url, { method: "POST", agent: false, ca: cert, headers }, (response) => {
          let text = ""
          response.setEncoding("utf8").on("data", (chunk: string) => text += chunk)
          response.on("end", () => resolve(JSON.parse(text) as ReadonlyArray<Message>))
        })
        sent.on("error", reject)
        sent.on("close", atEnd(() => sent.destroy()))
        sent.end(JSON.stringify(messages))
      })
    )
  return { cert, send, server }
}

export interface Host {
  readonly http: HttpServer
  readonly origin: string
  readonly port: number
}

/** A server that does something else already: it answers with its name, and echoes on WebSockets at `/echo`. */
export const startHost = async (): Promise<Host> => {
  const http = createServer((request, response) => {
    response.end(`host ${request.method} ${request.url}`)
  })
  const echo = new WebSocketServer({ noServer: true })
  http.on("upgrade", (request: IncomingMessage, socket, head) => {
    if (request.url !== "/echo") return void socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n")
    echo.handleUpgrade(
      request,
      socket,
      head,
      (client) => client.on("message", (data: Buffer) => client.send(`[${data.toString()}]`))
    )
  })
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve))
  atEnd(() => {
    for (const client of echo.clients) client.terminate()
    http.closeAllConnections()
    return new Promise((resolve) => http.close(resolve))
  })
  const { port } = http.address() as AddressInfo
  return { http, port, origin: `http://127.0.0.1:${port}` }
}

export const startService = () => {
  const runtime = ManagedRuntime.make(Transports.layer.pipe(
    Layer.provideMerge(Bayeux.layer()),
    Layer.provideMerge(Layer.mergeAll(MemoryEngine.layer, Monitor.layer()))
  ))
  atEnd(() => runtime.dispose())
  /** Attaches it and gives the function that takes it off again. */
  const attach = async (server: NodeServer.AnyServer, options?: NodeServer.AttachOptions) => {
    const scope = await Effect.runPromise(Scope.make())
    const detach = () => Effect.runPromise(Scope.close(scope, Exit.void))
    atEnd(detach)
    await runtime.runPromise(Scope.provide(NodeServer.attach(server, options), scope))
    return detach
  }
  const sessions = () => runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.sessions))
  return {
    attach,
    sessions,
    publish: (n: number) => runtime.runPromise(Bayeux.Bayeux.use((bayeux) => bayeux.publish("/a", n)))
  }
}

/** Which server speaks what. */
import type { Name } from "../servers/Server.ts"
import * as BayeuxPolling from "./BayeuxPolling.ts"
import * as BayeuxWebSocket from "./BayeuxWebSocket.ts"
import type { Dialect } from "./Dialect.ts"
import * as PlainPolling from "./PlainPolling.ts"
import * as PlainWebSocket from "./PlainWebSocket.ts"
import * as SocketIo from "./SocketIo.ts"

/** Over WebSocket. */
export const webSocket = (server: Name): Dialect => {
  switch (server) {
    case "effect-bayeux":
    case "faye":
      return BayeuxWebSocket.dialect
    case "socket.io":
      return SocketIo.dialect
    case "plain-ws":
    case "bare-socket":
      return PlainWebSocket.dialect
    case "plain-http":
      throw new Error("plain-http has no WebSocket: it takes part in the scenarios over HTTP only")
  }
}

/** Over long-polling. */
export const polling = (server: Name): Dialect => {
  switch (server) {
    case "effect-bayeux":
    case "faye":
      return BayeuxPolling.dialect
    case "plain-http":
      return PlainPolling.dialect
    case "socket.io":
    case "plain-ws":
    case "bare-socket":
      throw new Error(`${server} has no long-polling here: it takes part in the scenarios over WebSocket only`)
  }
}

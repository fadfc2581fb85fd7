/** All transports together, with their default options. */
import * as Layer from "effect/Layer"
import type { OptionsInvalid } from "../base/Options.ts"
import type { Connections } from "../service/Connections.ts"
import * as CallbackPollingTransport from "./CallbackPollingTransport.ts"
import * as EventSourceTransport from "./EventSourceTransport.ts"
import * as FayeClient from "./FayeClient.ts"
import * as LongPollingTransport from "./LongPollingTransport.ts"
import * as WebSocketTransport from "./WebSocketTransport.ts"

/** Adds WebSocket, EventSource, long-polling and callback-polling, and Faye's browser client if it is installed. */
export const layer: Layer.Layer<never, OptionsInvalid, Connections> = Layer.mergeAll(
  WebSocketTransport.layer(),
  EventSourceTransport.layer(),
  LongPollingTransport.layer(),
  CallbackPollingTransport.layer,
  FayeClient.layer
)

/** One request with messages in, one response with their answers out: how long-polling and callback-polling connect. */
import type { OutgoingHttpHeaders } from "node:http"
import type { Frame } from "./Frame.ts"
import { closeErrors, corsHeaders, respond, respondError } from "./Http.ts"
import * as Receipt from "./Receipt.ts"
import { type HttpCall, requestInfo, type Sink } from "./Transport.ts"

/** How the answers are wrapped. */
export interface Envelope {
  readonly connectionType: string
  readonly headers: OutgoingHttpHeaders
  readonly body: (frame: Frame) => string
}

/** Hands the messages to the service and answers the request with what comes back. */
export const exchange = (call: HttpCall, messages: ReadonlyArray<unknown>, envelope: Envelope): void => {
  const { request, response } = call
  const send = (frame: Frame): void => {
    response.off("close", onClose)
    Receipt.watch(response, { confirmed: () => connection.closed(), lost: () => connection.closed([frame]) })
    if (!response.destroyed) {
      respond(response, 200, { ...envelope.headers, ...corsHeaders(request) }, envelope.body(frame))
    }
  }
  const close: Sink["close"] = (reason) => respondError(call, closeErrors[reason])
  const connection = call.open({
    connectionType: envelope.connectionType,
    kind: "exchange",
    local: false,
    request: requestInfo(request),
    owner: call.owner
  }, { send, close })
  const onClose = () => connection.closed()
  response.on("close", onClose)
  connection.receive(messages)
}

/** One request with messages in, one response with their answers out: how long-polling and callback-polling connect. */
import type { OutgoingHttpHeaders } from "node:http"
import type { Frame } from "../service/Frame.ts"
import { type CloseReason, type HttpCall, type OpenConnection, requestInfo, type Sink } from "../service/Transport.ts"
import { closeErrors, respond, respondError, withCors } from "./Http.ts"
import * as Receipt from "./Receipt.ts"

/** How the answers are wrapped. */
export interface Envelope {
  readonly connectionType: string
  readonly headers: OutgoingHttpHeaders
  readonly body: (frame: Frame) => string
}

const isOfSession = (message: unknown): message is { readonly clientId: string } =>
  typeof message === "object" && message !== null && "clientId" in message && typeof message.clientId === "string"

/** A request and its one answer, which stays in doubt until it is known whether it was read. */
class Exchange implements Sink, Receipt.Doubt {
  readonly #call: HttpCall
  readonly #envelope: Envelope
  readonly #connection: OpenConnection
  #isSent = false
  /** The answer, while nobody can say whether it was read. */
  #unconfirmed: Frame | undefined

  constructor(call: HttpCall, envelope: Envelope) {
    this.#call = call
    this.#envelope = envelope
    const { open, owner, request, response } = call
    const { connectionType } = envelope
    this.#connection = open(
      { connectionType, kind: "exchange", local: false, request: requestInfo(request), owner },
      this
    )
    response.on("close", () => this.#isSent ? Receipt.closed(response) : this.#connection.closed())
  }

  receive(messages: ReadonlyArray<unknown>): void {
    const spoken = messages.find(isOfSession)
    if (spoken !== undefined) Receipt.speaks(this.#call.request.socket, spoken.clientId)
    this.#connection.receive(messages)
  }

  send(frame: Frame): void {
    const { request, response } = this.#call
    const { body, headers } = this.#envelope
    const text = body(frame)
    this.#isSent = true
    this.#unconfirmed = frame
    Receipt.watch(response, this)
    if (!response.destroyed) respond(response, 200, withCors(request, headers), text)
  }

  close(reason: CloseReason): void {
    respondError(this.#call, closeErrors[reason])
  }

  unwritten(): ReadonlyArray<Frame> {
    return this.#unconfirmed === undefined ? [] : [this.#unconfirmed]
  }

  confirmed(): void {
    this.#unconfirmed = undefined
    this.#connection.closed()
  }

  lost(): void {
    this.#connection.closed()
  }

  reset(peer: string, hadEnded: boolean): void {
    this.#connection.closed(peer, hadEnded)
  }
}

/** Hands the messages to the service and answers the request with what comes back. */
export const exchange = (call: HttpCall, messages: ReadonlyArray<unknown>, envelope: Envelope): void =>
  new Exchange(call, envelope).receive(messages)

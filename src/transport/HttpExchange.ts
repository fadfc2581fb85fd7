/**
 * The exchange of long-polling and callback-polling: a request with messages, and a response with the answers. The answer
 * stays unconfirmed until its `Receipt` is known; if it was not read, its messages return to the queue.
 */
import type { OutgoingHttpHeaders } from "node:http"
import type { Frame } from "../service/Frame.ts"
import { type CloseReason, type HttpCall, type OpenConnection, requestInfo, type Sink } from "../service/Transport.ts"
import { closeErrors, respond, respondError, withCors } from "./Http.ts"
import * as Receipt from "./Receipt.ts"

/** Format of the answers of a transport. */
export interface Envelope {
  readonly connectionType: string
  readonly headers: OutgoingHttpHeaders
  readonly body: (frame: Frame) => string
}

const isOfSession = (message: unknown): message is { readonly clientId: string } =>
  typeof message === "object" && message !== null && "clientId" in message && typeof message.clientId === "string"

/** A request and its answer. */
class Exchange implements Sink, Receipt.Receipt {
  readonly #call: HttpCall
  readonly #envelope: Envelope
  readonly #connection: OpenConnection
  #isSent = false
  /** The answer, while it is not known whether it was read. */
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
    const ofSession = messages.find(isOfSession)
    if (ofSession !== undefined) Receipt.noteSession(this.#call.request.socket, ofSession.clientId)
    this.#connection.receive(messages)
  }

  send(frame: Frame): void {
    const { request, response } = this.#call
    const { body, headers } = this.#envelope
    const text = body(frame)
    this.#isSent = true
    this.#unconfirmed = frame
    Receipt.track(response, this)
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

/** Passes the messages to the service and answers the request with the result. */
export const exchange = (call: HttpCall, messages: ReadonlyArray<unknown>, envelope: Envelope): void =>
  new Exchange(call, envelope).receive(messages)

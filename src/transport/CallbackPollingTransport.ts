/**
 * Callback-polling (JSONP): messages come in the query of a GET, and the answer is a script that calls a function of the
 * page (specification, "The callback-polling Transport").
 *
 * The name of the function is restricted, the script begins with a comment and is marked as a download, so that browsers
 * and plug-ins cannot take the answer for anything but a script.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Connections } from "../service/Connections.ts"
import type { HttpCall } from "../service/Transport.ts"
import { parseFields, respondError } from "./Http.ts"
import { type Envelope, exchange } from "./HttpExchange.ts"

const functionName = /^[a-z_$][a-z0-9_$]*(?:\.[a-z_$][a-z0-9_$]*)*$/i
const maxNameLength = 200

/** Escapes the two characters of JSON that end a line in JavaScript before ES2019. */
const escape = (json: string): string => json.replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029")

const envelope = (name: string): Envelope => ({
  connectionType: "callback-polling",
  headers: {
    "Content-Type": "text/javascript; charset=utf-8",
    "Content-Disposition": "attachment; filename=f.txt"
  },
  body: (frame) => `/**/${name}(${escape(frame.text)});`
})

const get = (call: HttpCall, fields: ReadonlyArray<string>): void => {
  const name = call.query.get("jsonp") ?? "jsonpcallback"
  if (name.length > maxNameLength || !functionName.test(name)) {
    const sentence =
      "The parameter \"jsonp\" is not the name of a function: use letters, digits, \"_\", \"$\" and \".\""
    return respondError(call, { status: 400, sentence })
  }
  const messages = parseFields(fields)
  if (Result.isFailure(messages)) respondError(call, messages.failure)
  else exchange(call, messages.success, envelope(name))
}

/** Adds callback-polling to the service. */
export const layer: Layer.Layer<never, never, Connections> = Layer.effectDiscard(Effect.gen(function*() {
  const { addTransport } = yield* Connections
  yield* addTransport({
    connectionTypes: ["callback-polling"],
    handle: (call) => {
      if (call.request.method !== "GET") return false
      const fields = call.query.getAll("message")
      if (fields.length === 0) return false
      get(call, fields)
      return true
    }
  })
}))

/** A request that is made once, then copied with the numbers of each publish. */
import type { Stream } from "../dialects/Dialect.ts"
import * as Mark from "./Mark.ts"

const make = (bytes: Buffer, stream: number): (sequence: number) => Buffer => {
  const marks = [bytes.indexOf(Mark.data(stream)), bytes.indexOf(Mark.id(stream))].filter((at) => at !== -1)
  return (sequence) => {
    const copy = Buffer.from(bytes)
    for (const at of marks) Mark.writeSequence(copy, at, sequence)
    return copy
  }
}

/** Makes the bytes of a publish, for each of these streams from what `first` gives for the number 0. */
export const forStreams = (
  streams: ReadonlyArray<Stream>,
  first: (stream: Stream) => Buffer
): (stream: number, sequence: number) => Buffer => {
  const templates = new Map(streams.map((stream) => [stream.stream, make(first(stream), stream.stream)]))
  return (stream, sequence) => {
    const template = templates.get(stream)
    if (template === undefined) throw new Error(`Stream ${stream} is none of this publisher's`)
    return template(sequence)
  }
}

/** Gathers what is to be sent in a turn and hands it on in one piece. */
export const gather = (send: (parts: Array<Buffer>) => void): (part: Buffer) => void => {
  let parts: Array<Buffer> = []
  const flush = () => {
    const all = parts
    parts = []
    send(all)
  }
  return (part) => {
    if (parts.push(part) === 1) queueMicrotask(flush)
  }
}

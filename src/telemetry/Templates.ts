/**
 * Channel templates such as `/rooms/{room}`: groups of channels for the labels of metrics and the names of spans. The
 * number of channels has no bound; that of labels is the number of declared templates, and {@link other}.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Channel from "../core/Channel.ts"

const placeholder = /\/\{[A-Za-z_][A-Za-z0-9_]*\}(?=\/|$)/g

const isTemplate = (text: string): boolean =>
  Result.isSuccess(Channel.parse(text.replaceAll(placeholder, "/x"), Number.POSITIVE_INFINITY))

/** A template: a channel in which a segment may be `{name}`, which matches any one segment. */
export const Template = Schema.String.check(
  Schema.makeFilter(isTemplate, {
    expected: "a channel template such as \"/rooms/{room}\": each {name} is a whole segment"
  })
)

/** Name for all channels that no template matches. */
export const other = "other"

/** Number of channels whose template is cached. */
const maxCached = 10_000

/** Templates in order: the first one that matches a channel applies to it. */
export class Templates {
  /** The templates, and {@link other} at the end. */
  readonly names: ReadonlyArray<string>
  readonly #segments: ReadonlyArray<ReadonlyArray<string>>
  readonly #byChannel = new Map<string, number>()

  constructor(templates: Iterable<string>) {
    const distinct = [...new Set(templates)]
    this.names = [...distinct, other]
    this.#segments = distinct.map((template) => template.split("/"))
  }

  /** Index of a channel's template in {@link names}. */
  indexOf(channel: string): number {
    const known = this.#byChannel.get(channel)
    if (known !== undefined) return known
    if (this.#byChannel.size === maxCached) this.#byChannel.clear()
    const index = this.#find(channel.split("/"))
    this.#byChannel.set(channel, index)
    return index
  }

  /** The template of a channel; undefined if none matches. */
  of(channel: string): string | undefined {
    const index = this.indexOf(channel)
    return index === this.#segments.length ? undefined : this.names[index]
  }

  #find(channel: ReadonlyArray<string>): number {
    const index = this.#segments.findIndex((template) =>
      template.length === channel.length &&
      template.every((segment, at) => segment.startsWith("{") || segment === channel[at])
    )
    return index < 0 ? this.#segments.length : index
  }
}

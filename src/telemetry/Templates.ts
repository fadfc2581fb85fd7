/**
 * Channel templates, `/rooms/{room}`: what an application declares so that its channels can be told apart in metrics and
 * traces. There may be any number of channels; there are as many templates as were declared, and {@link other}.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Channel from "../core/Channel.ts"

const placeholder = /\/\{[A-Za-z_][A-Za-z0-9_]*\}(?=\/|$)/g

const isTemplate = (text: string): boolean =>
  Result.isSuccess(Channel.parse(text.replaceAll(placeholder, "/x"), Number.POSITIVE_INFINITY))

/** A template: a channel of which any segment may be a `{name}`, which stands for one segment, whatever it is. */
export const Template = Schema.String.check(
  Schema.makeFilter(isTemplate, {
    expected: "a channel template such as \"/rooms/{room}\": each {name} is a whole segment"
  })
)

/** Stands for all channels that no template matches. */
export const other = "other"

/** More channels than this are not remembered at a time. */
const mostRemembered = 10_000

/** Templates in their order: the first that matches a channel is the channel's. */
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

  /** The place of a channel's template among the names. */
  indexOf(channel: string): number {
    const known = this.#byChannel.get(channel)
    if (known !== undefined) return known
    if (this.#byChannel.size === mostRemembered) this.#byChannel.clear()
    const index = this.#find(channel.split("/"))
    this.#byChannel.set(channel, index)
    return index
  }

  /** The template of a channel, if it has one. */
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

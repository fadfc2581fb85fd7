/**
 * Text from a peer on its way to a terminal or into a line of a log.
 *
 * A terminal obeys control characters: with them a peer could set its title, hide lines, or paste into the shell of who
 * reads. Others reorder what is read (bidirectional overrides), or break a line where a program sees one line (U+2028).
 * All of these are shown as JSON shows a character by its number, so escaped JSON is still JSON of the same value.
 */

/** Controls (C0, DEL, C1), line and paragraph separators, and what changes the direction of text. */
const unprintable =
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const number = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** A text as one line, without a character that a terminal obeys. */
export const escape = (text: string): string => text.replace(unprintable, number)

/** A value as JSON on one line; every other program reads the same value from it. */
export const json = (value: unknown): string => escape(JSON.stringify(value))

/** A text of several lines: line ends stay, and all lines but the first are indented, so none looks like a new entry. */
export const lines = (text: string): string => text.split("\n").map(escape).join("\n  ")

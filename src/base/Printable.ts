/**
 * Escapes for texts of peers in terminals and log lines.
 *
 * With control characters a peer could set the title of a terminal, hide lines, or paste into a shell. Bidirectional
 * overrides reorder a text; U+2028 breaks a line where programs see one line. All of these are written as `\uXXXX`, so
 * escaped JSON is still JSON of the same value.
 */

/** Controls (C0, DEL, C1), line and paragraph separators, marks and overrides of direction. */
const unprintable =
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const number = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** Escapes a text to one line without control characters. */
export const escape = (text: string): string => text.replace(unprintable, number)

/** Encodes a value as JSON on one line, which parses to the same value. */
export const json = (value: unknown): string => escape(JSON.stringify(value))

/** Escapes a text of several lines. All lines but the first are indented, so none looks like a new entry. */
export const lines = (text: string): string => text.split("\n").map(escape).join("\n  ")

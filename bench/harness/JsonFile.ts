/** Files of results. Each says its format, so that none is taken for another. */
import { readFileSync, writeFileSync } from "node:fs"
import { OptionsInvalid } from "./Options.ts"

export const write = (file: string, value: { readonly format: string }): void =>
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)

const parse = (file: string): { readonly format?: unknown } => {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as { readonly format?: unknown }
  } catch (error) {
    throw new OptionsInvalid(`The file ${file} cannot be read (${String(error)}): give one that --json has written`)
  }
}

/** The format that a file says it has. */
export const formatOf = (file: string): unknown => parse(file).format

/** Reads a file that was written before; `by` says what writes such a file. */
export const read = <A extends { readonly format: string }>(file: string, format: A["format"], by: string): A => {
  const value = parse(file)
  if (value.format === format) return value as A
  throw new OptionsInvalid(`The file ${file} is not in the format ${format}: give one that ${by} has written`)
}

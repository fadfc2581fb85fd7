/** Numbers and tables as text. */

/** A number with three significant digits or all of its whole ones; with two where it is small. */
export const number = (value: number): string => value.toLocaleString("en-US", precision(Math.abs(value)))

const precision = (size: number): Intl.NumberFormatOptions => {
  if (size < 1) return { maximumSignificantDigits: 2 }
  return { maximumFractionDigits: size < 10 ? 2 : size < 100 ? 1 : 0 }
}

/** A share of a core. */
export const share = (value: number): string => `${Math.round(value * 100)} %`

/** Rows under a head. */
export interface Table {
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** As plain text, the first column to the left and the others to the right. */
export const print = ({ head, rows }: Table): string => {
  const widths = columnWidths([head, ...rows])
  const line = (row: ReadonlyArray<string>) =>
    widths.map((width, column) => pad(row[column] ?? "", column, width)).join("  ").trimEnd()
  return [line(head), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n")
}

/** As Markdown, in the same columns. */
export const markdown = ({ head, rows }: Table): string => {
  const widths = columnWidths([head, ...rows]).map((width) => Math.max(3, width))
  const line = (row: ReadonlyArray<string>) =>
    `| ${widths.map((width, column) => pad(row[column] ?? "", column, width)).join(" | ")} |`
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)
  return [line(head), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n")
}

const columnWidths = (rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<number> =>
  Array.from(rows[0] ?? [], (_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))

const pad = (cell: string, column: number, width: number): string =>
  column === 0 ? cell.padEnd(width) : cell.padStart(width)

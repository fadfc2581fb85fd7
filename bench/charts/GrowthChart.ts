/**
 * The chart of growth: a small panel for each operation, all with equally long powers of ten, so that a slope means the
 * same everywhere. A dashed line shows what growth in proportion to the size would look like.
 */
import { type Curve, curves, type Growth } from "../growth/Growth.ts"
import { measured } from "../growth/Report.ts"
import { verdict } from "../growth/Verdict.ts"
import type { Work } from "../growth/Work.ts"
import * as Text from "../harness/Text.ts"
import * as Svg from "./Svg.ts"

const width = 920
const margin = 16
const columns = 4
/** What the labels on the left of a panel need. */
const labels = 44
const panelWidth = (width - 2 * margin) / columns - labels
const panelHeight = 92
const panelHead = 30
const panelStep = panelHead + panelHeight + 30
const workHead = 14
const top = 92

const costsOf = ({ values }: Curve): ReadonlyArray<number> => values.map(({ cost }) => cost)

const powerBelow = (cost: number): number => Math.floor(Math.log10(cost) + 1e-9)

/** How many powers of ten a panel has to show for this curve. */
const height = (curve: Curve): number => {
  const costs = costsOf(curve)
  return Math.ceil(Math.log10(Math.max(...costs))) - powerBelow(Math.min(...costs))
}

const powers = (curve: Curve, count: number): ReadonlyArray<number> => {
  const first = powerBelow(Math.min(...costsOf(curve)))
  return Array.from({ length: count + 1 }, (_, index) => 10 ** (first + index))
}

const short = (value: number): string => {
  if (value >= 1e6) return `${Text.number(value / 1e6)}M`
  return value >= 1_000 ? `${Text.number(value / 1_000)}k` : Text.number(value)
}

interface Place {
  readonly x: number
  readonly y: number
}

const frame = ({ sizes }: Work, ticks: ReadonlyArray<number>, { x, y }: Place) => {
  const atX = Svg.logarithmic(sizes[0] ?? 1, sizes.at(-1) ?? 1, x, x + panelWidth)
  const atY = Svg.logarithmic(ticks[0] ?? 1, ticks.at(-1) ?? 1, y + panelHeight, y)
  const parts = [
    ...ticks.map((tick) => Svg.line("grid", x, atY(tick), x + panelWidth, atY(tick))),
    ...ticks.map((tick) => Svg.text("muted", x - 6, atY(tick) + 4, short(tick), "end")),
    Svg.line("axis", x, y + panelHeight, x + panelWidth, y + panelHeight),
    ...sizes.map((size) => Svg.text("muted", atX(size), y + panelHeight + 14, short(size), "middle"))
  ]
  return { atX, atY, parts }
}

/** As far as it is in the panel: in proportion from the first point on. */
const guide = (curve: Curve, most: number): ReadonlyArray<readonly [size: number, cost: number]> => {
  const [first] = curve.values
  const last = curve.values.at(-1)
  if (first === undefined || last === undefined) return []
  const factor = Math.min(last.size / first.size, most / first.cost)
  return [[first.size, first.cost], [first.size * factor, first.cost * factor]]
}

const panel = (work: Work, curve: Curve, ticks: ReadonlyArray<number>, place: Place): ReadonlyArray<string> => {
  const { atX, atY, parts } = frame(work, ticks, place)
  const { isYardstick = false, title, unit } = curve.operation
  const [name = "", per = ""] = title.split(", ")
  const found = verdict(curve)
  const last = curve.values.at(-1)?.cost ?? NaN
  const points = curve.values.map(({ cost, size }) => [atX(size), atY(cost)] as const)
  return [
    ...parts,
    Svg.text("strong", place.x, place.y - 21, name),
    Svg.text("muted", place.x, place.y - 8, `${Text.number(last)} ${unit}${per.replace("per ", "/")}`),
    ...found === undefined || isYardstick
      ? []
      : [Svg.text(found.growth === "worse" ? "bad" : "good", place.x + panelWidth, place.y - 8, found.growth, "end")],
    Svg.polyline("guide", guide(curve, ticks.at(-1) ?? 1).map(([size, cost]) => [atX(size), atY(cost)])),
    Svg.polyline("curve", points),
    ...points.map(([x, y]) => Svg.dot("curve", x, y))
  ]
}

const placeOf = (index: number, y: number): Place => ({
  x: margin + labels + index % columns * (panelWidth + labels),
  y: y + workHead + panelHead + Math.floor(index / columns) * panelStep
})

const heightOf = (panels: number): number => workHead + Math.ceil(panels / columns) * panelStep + 18

const range = ({ sizes }: Work): string => `${Text.number(sizes[0] ?? 1)} to ${Text.number(sizes.at(-1) ?? 1)}`

/** The chart as SVG. */
export const chart = (growth: Growth): string => {
  const works = measured(growth).map((work) => ({ work, curves: curves(growth, work) }))
  const count = Math.max(3, ...works.flatMap(({ curves }) => curves.map(height)))
  const parts: Array<string> = []
  let y = top
  for (const { curves, work } of works) {
    parts.push(Svg.heading(margin, y, `${range(work)} ${work.title}`, ""))
    curves.forEach((curve, index) => parts.push(...panel(work, curve, powers(curve, count), placeOf(index, y))))
    y += heightOf(curves.length)
  }
  const title = "What a step of the machine costs as the work grows"
  const legend = [
    "Microseconds (memory: bytes) by size. All panels show equally many powers of ten: slopes can be compared.",
    "Dashed: growth in proportion to the size. The figure above a panel is that at the largest size."
  ]
  return Svg.picture(width, y - 18, title, [
    Svg.text("title", margin, 26, title),
    ...legend.map((text, index) => Svg.text("muted", margin, 45 + 15 * index, text)),
    ...parts
  ])
}

/**
 * Charts of sessions, subscriptions and messages over time, each in a card with its current number. Pointing at a moment
 * in one chart shows the numbers of that moment in all charts.
 * @import { Now, Point } from "../src/page/PageProtocol.ts"
 */
import { byId, clock, find, make, number, setText } from "./dom.js"
import uPlot from "./uPlot.js"

/** A second; its numbers are null where the line has a gap. */
/** @typedef {readonly [at: number, ...numbers: Array<number | null>]} Sample */

/** Number of seconds that are kept. */
const maxPoints = 15 * 60

/** Seconds between two points from which on the line has a gap. */
const gap = 3

const series = [
  { title: "Sessions", color: "--sessions" },
  { title: "Subscriptions", color: "--subscriptions" },
  { title: "Messages per second", color: "--messages" }
]

/** @param {string} name */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** @param {number} value */
const shortNumber = (value) =>
  value >= 10_000 ? `${Math.round(value / 1000)}k` : value >= 1000 ? `${Math.round(value / 100) / 10}k` : String(value)

/** @type {Partial<uPlot.Axis>} */
const axis = {
  stroke: () => color("--quiet"),
  grid: { stroke: () => color("--line"), width: 1 },
  ticks: { show: false },
  font: "11px system-ui, sans-serif"
}

export class Charts {
  #cards
  #seconds = 300
  /** @type {ReadonlyArray<Sample>} */
  #points = []
  #now = 0

  constructor() {
    const root = byId("charts", HTMLElement)
    this.#cards = series.map((options, at) => this.#card(root, options, at + 1))
    const draw = () => this.#cards.forEach(({ plot }) => plot.redraw())
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw)
    byId("range", HTMLFieldSetElement).addEventListener("change", ({ target }) => {
      if (target instanceof HTMLInputElement) this.#seconds = Number(target.value)
      this.#draw()
    })
    byId("minute", HTMLDetailsElement).addEventListener("toggle", () => this.#showMinute())
  }

  /**
   * @param {HTMLElement} root
   * @param {{ readonly title: string, readonly color: string }} options
   * @param {number} index of the number in a point
   */
  #card(root, options, index) {
    const value = make("output", { class: "value" }, "–")
    const moment = make("span", { class: "quiet" })
    const canvas = make("div", { class: "chart", role: "img", "aria-label": options.title })
    root.append(make("figure", { class: "card" }, make("figcaption", {}, options.title, value, moment), canvas))
    /** @param {uPlot} plot */
    const point = (plot) => {
      const at = plot.cursor.idx ?? -1
      const second = plot.data[0][at]
      setText(moment, second === undefined ? "" : `${number(plot.data[1]?.[at] ?? 0)} at ${clock(second * 1000)}`)
    }
    const plot = new uPlot(
      {
        width: 300,
        height: 140,
        padding: [8, 20, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: "seconds" }, y: false, drag: { x: false, y: false }, points: { size: 7 } },
        scales: { y: { range: (_, _min, max) => [0, Math.max(4, (max || 0) * 1.15)] } },
        axes: [
          {
            ...axis,
            size: 24,
            space: () => this.#seconds > 60 ? 44 : 62,
            values: (_, seconds) => seconds.map((at) => clock(at * 1000).slice(0, this.#seconds > 60 ? 5 : 8))
          },
          {
            ...axis,
            size: 38,
            space: 34,
            incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6],
            values: (_, all) => all.map(shortNumber)
          }
        ],
        series: [{}, {
          stroke: () => color(options.color),
          fill: () => `${color(options.color)}22`,
          width: 2,
          points: { show: false }
        }],
        hooks: { setCursor: [point] }
      },
      [[], []],
      canvas
    )
    new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height: 140 })).observe(canvas)
    return { ...options, canvas, index, plot, value }
  }

  /**
   * Begins with the history of a server. Earlier points, of a previous server, stay.
   * @param {ReadonlyArray<Point>} points
   * @param {number} at
   */
  begin(points, at) {
    const first = points[0]?.[0] ?? Math.floor(at / 1000)
    this.#points = [...this.#points.filter(([at]) => at < first), ...points]
    this.#now = at
    this.#draw()
  }

  /** @param {Point} point */
  add(point) {
    this.#points = [...this.#points, point].slice(-maxPoints)
    this.#now = point[0] * 1000
    setText(this.#value(2), number(point[3]))
    this.#draw()
    if (point[0] % 10 === 0) this.#describe()
  }

  /** @param {Now} now */
  now({ sessions, subscriptions }) {
    setText(this.#value(0), number(sessions))
    setText(this.#value(1), number(subscriptions))
  }

  /** @param {number} at */
  #value(at) {
    return this.#cards[at]?.value ?? byId("charts", HTMLElement)
  }

  #draw() {
    const max = Math.floor(this.#now / 1000)
    const min = max - this.#seconds
    const points = withGaps(this.#points.filter(([at]) => at >= min))
    for (const { index, plot } of this.#cards) {
      plot.setData([points.map(([at]) => at), points.map((point) => point[index] ?? null)], false)
      plot.setScale("x", { min, max })
    }
    this.#showMinute()
  }

  /** Describes the charts in words, for screen readers. */
  #describe() {
    for (const { canvas, index, title, value } of this.#cards) {
      const numbers = this.#points.slice(-this.#seconds).map((point) => point[index] ?? 0)
      const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
      const span = `${this.#seconds / 60} min`
      canvas.ariaLabel = `${title}: ${value.value} now; over ${span} between ${number(least)} and ${number(most)}`
    }
  }

  #showMinute() {
    const details = byId("minute", HTMLDetailsElement)
    if (!details.open) return
    const rows = this.#points.slice(-60).reverse().map(([at, ...numbers]) =>
      make(
        "tr",
        {},
        make("td", {}, clock(at * 1000)),
        ...numbers.map((n) => make("td", { class: "number" }, number(n ?? 0)))
      )
    )
    find(details, "tbody", HTMLTableSectionElement).replaceChildren(...rows)
  }
}

/**
 * @param {ReadonlyArray<Sample>} points
 * @returns {ReadonlyArray<Sample>}
 */
const withGaps = (points) =>
  points.flatMap((point, at) => {
    const before = points[at - 1]
    return before !== undefined && point[0] - before[0] > gap ? [[before[0] + 1, null, null, null], point] : [point]
  })

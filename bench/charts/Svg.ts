/**
 * Pictures as text. They bring their own background and colours, for light and for dark surroundings, because a page
 * that shows a picture cannot style it.
 */

type Attributes = { readonly [name: string]: string | number }

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

const rounded = (value: string | number): string =>
  typeof value === "string" ? escaped(value) : String(Math.round(value * 10) / 10)

const element = (name: string, attributes: Attributes, content = ""): string => {
  const written = Object.entries(attributes).map(([attribute, value]) => ` ${attribute}="${rounded(value)}"`).join("")
  return content === "" ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`
}

/** What is drawn in which way: the classes of the style sheet. */
export type Look = "grid" | "axis" | "guide" | "curve" | "target" | "peer" | "yardstick"
export type Type = "title" | "strong" | "text" | "muted" | "good" | "bad"

export const line = (look: Look, x1: number, y1: number, x2: number, y2: number): string =>
  element("line", { class: look, x1, y1, x2, y2 })

export const rectangle = (look: Look, x: number, y: number, width: number, height: number): string =>
  element("rect", { class: look, x, y, width, height })

export const dot = (look: Look, cx: number, cy: number): string => element("circle", { class: look, cx, cy, r: 2.2 })

export const polyline = (look: Look, points: ReadonlyArray<readonly [x: number, y: number]>): string =>
  element("polyline", { class: look, points: points.map((point) => point.map(rounded).join(",")).join(" ") })

/** A line of text that begins, ends or has its middle at x. */
export const text = (
  type: Type,
  x: number,
  y: number,
  content: string,
  anchor: "start" | "middle" | "end" = "start"
): string => element("text", { class: type, x, y, "text-anchor": anchor }, escaped(content))

/** A strong beginning and a muted end on one line. */
export const heading = (x: number, y: number, beginning: string, end: string): string =>
  element(
    "text",
    { class: "strong", x, y },
    escaped(beginning) + element("tspan", { class: "muted", dx: 8 }, escaped(end))
  )

const colours = {
  light: {
    page: "#ffffff",
    ink: "#1f2328",
    muted: "#59636e",
    grid: "#e4e8ec",
    axis: "#8b949e",
    peer: "#2f6fd0",
    yardstick: "#a3acb6",
    target: "#d1570a",
    good: "#1a7f37",
    bad: "#c4320a"
  },
  dark: {
    page: "#0d1117",
    ink: "#e6edf3",
    muted: "#9198a1",
    grid: "#262c34",
    axis: "#6e7681",
    peer: "#4c8ef0",
    yardstick: "#5d6671",
    target: "#f0883e",
    good: "#3fb950",
    bad: "#ff7b54"
  }
}

const rules = (of: typeof colours.light): string =>
  `.page{fill:${of.page}}text{fill:${of.ink}}.muted{fill:${of.muted};font-weight:400}.good{fill:${of.good}}.bad{fill:${of.bad}}` +
  `.grid{stroke:${of.grid}}.axis{stroke:${of.axis}}.guide{stroke:${of.axis}}.target{stroke:${of.target}}` +
  `.peer{fill:${of.peer}}.yardstick{fill:${of.yardstick}}.curve{stroke:${of.peer}}circle.curve{fill:${of.peer}}`

const style = "text{font:11px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.strong{font-weight:600}" +
  "polyline{fill:none}.curve{stroke-width:1.6}circle.curve{stroke:none}.target{stroke-width:2.5}" +
  `.guide{stroke-dasharray:2 3}${rules(colours.light)}@media(prefers-color-scheme:dark){${rules(colours.dark)}}`

/** The whole picture; the title is read out where it cannot be seen. */
export const picture = (width: number, height: number, title: string, parts: ReadonlyArray<string>): string =>
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${Math.ceil(height)}" width="${width}" ` +
    `height="${Math.ceil(height)}" role="img">`,
    element("title", {}, escaped(title)),
    element("style", {}, style),
    element("rect", { class: "page", width: "100%", height: "100%", rx: 8 }),
    ...parts,
    "</svg>\n"
  ].join("\n")

/** A place on a logarithmic axis. */
export const logarithmic = (from: number, to: number, start: number, end: number): (value: number) => number => {
  const pixels = (end - start) / Math.log(to / from)
  return (value) => start + Math.log(value / from) * pixels
}

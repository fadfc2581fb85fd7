/** What stands ready in `docs` for Prometheus and Grafana asks for what is really there, and files are shown as they are. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { Monitor } from "../src/index.ts"
import { serveMeasured } from "./telemetry/measured.ts"
import { releaseAll } from "./transport/support.ts"

const read = (path: string) => readFileSync(new URL(`../docs/${path}`, import.meta.url), "utf8")

interface Dashboard {
  readonly panels: ReadonlyArray<{
    readonly title: string
    readonly targets: ReadonlyArray<{ readonly expr: string }>
  }>
}

const dashboard = JSON.parse(read("grafana-dashboard.json")) as Dashboard

/** The rules, each by its fields. The file is no more of YAML than blocks of `name: value`. */
const rules = (): ReadonlyArray<{ readonly [field: string]: string }> => {
  const [head = "", ...blocks] = read("alerts.yml").split(/^ {6}- (?=alert:)/m)
  assert.match(head, /^(?:#.*\n)+groups:\n {2}- name: effect-bayeux\n {4}rules:\n$/)
  return blocks.map((block) => {
    const lines = block.trimEnd().split("\n").map((line) => /^(?: {8}(?: {2})?)?(\w+):(?: (.*))?$/.exec(line))
    return Object.fromEntries(lines.map((line) => {
      assert.isNotNull(line, `lines are "name: value": ${block}`)
      return [line[1], line[2] ?? ""]
    }))
  })
}

/** The selectors of a query: a metric, and the labels that it asks for. */
const selectors = (query: string) =>
  [...query.matchAll(/\b(bayeux_\w+)(?:\{([^}]*)\})?/g)].map(([, name = "", labels = ""]) => ({
    name,
    labels: [...labels.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)].map(([, label = "", operator = "", value = ""]) => ({
      label,
      operator,
      value
    }))
  }))

/** The names of the series of a server that has a consumer of its events. */
let series: ReadonlyArray<string> = []

beforeAll(async () => {
  const server = await serveMeasured()
  await server.run(Effect.gen(function*() {
    const { subscribe } = yield* Monitor.Monitor
    yield* Effect.asVoid(Scope.provide(subscribe({ name: "alarm" }), yield* Scope.make()))
  }))
  await server.scrape()
  series = [...(await server.scrape()).keys()]
})
afterAll(releaseAll)

/** What a query asks for is in a scrape: the metric, and for each of its labels a series that the query selects. */
const check = (query: string): void => {
  assert.isNotEmpty(selectors(query), query)
  for (const { labels, name } of selectors(query)) {
    const own = series.filter((key) => key === name || key.startsWith(`${name}{`))
    assert.isNotEmpty(own, `${name}, of ${query}`)
    for (const { label, operator, value } of labels) {
      // Prometheus adds it.
      if (label === "instance") continue
      const values = own.flatMap((key) => new RegExp(`\\b${label}="([^"]*)"`).exec(key)?.[1] ?? [])
      const pattern = new RegExp(`^(?:${value})$`)
      const isNamed = values.some((own) => operator.includes("~") ? pattern.test(own) : own === value)
      assert.isTrue(isNamed, `${label}="${value}", of ${query}`)
    }
  }
}

describe("docs/grafana-dashboard.json", () => {
  it.each(dashboard.panels)("shows what there is: $title", ({ targets }) => {
    assert.isNotEmpty(targets)
    for (const { expr } of targets) check(expr)
  })

  it("shows every metric", () => {
    const shown = dashboard.panels.flatMap(({ targets }) => targets).flatMap(({ expr }) => selectors(expr))
    const names = new Set(shown.map(({ name }) => name.replace(/_bucket$/, "")))
    for (const key of series) {
      const name = key.replace(/\{.*/, "").replace(/_(?:bucket|sum|count)$/, "")
      if (name !== "bayeux_monitor_consumers") assert.include([...names], name)
    }
  })
})

describe("docs/alerts.yml", () => {
  it.each(rules())("asks for what there is: $alert", (rule) => {
    assert.containsAllKeys(rule, ["alert", "expr", "labels", "severity", "annotations", "summary", "description"])
    assert.match(rule["alert"] ?? "", /^Bayeux[A-Z]\w+$/)
    check(rule["expr"] ?? "")
  })

  it("has rules", () => assert.isAbove(rules().length, 8))
})

describe("docs/deployment.md", () => {
  it.each(readdirSync(new URL("../docs/deployment", import.meta.url)))("shows %s as it is", (file) => {
    const blocks = [...read("deployment.md").matchAll(/```\w+\n(.*?)```/gs)].map(([, text]) => text)
    assert.include(blocks, read(`deployment/${file}`))
  })
})

it.each(["../README.md", ...readdirSync(new URL("../docs", import.meta.url)).filter((file) => file.endsWith(".md"))])(
  "the links of %s lead somewhere",
  (file) => {
    const folder = new URL(file, new URL("../docs/", import.meta.url))
    const anchors = (text: string) =>
      [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
        title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
      )
    for (const [, path = "", , anchor] of read(file).matchAll(/\]\((?!https?:)([^)#\s]*)(#([^)\s]+))?\)/g)) {
      const target = new URL(path === "" ? folder : path, folder)
      assert.isTrue(existsSync(target), path)
      if (anchor !== undefined) assert.include(anchors(readFileSync(target, "utf8")), anchor, path)
    }
  }
)

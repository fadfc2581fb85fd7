/** The documents are true: queries, options, commands, paths, links and files that they show exist as they say. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Scope } from "effect"
import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { promisify } from "node:util"
import { documents } from "../scripts/examples.ts"
import { flags } from "../src/command/flags.ts"
import * as RedisEngine from "../src/engine/redis/RedisEngine.ts"
import {
  Bayeux,
  BayeuxServer,
  EventSourceTransport,
  HttpRoutes,
  LongPollingTransport,
  Metrics,
  MetricsPage,
  Monitor,
  NodeServer,
  Presence,
  Tracing,
  WebSocketTransport
} from "../src/index.ts"
import * as main from "../src/index.ts"
import * as MonitorPage from "../src/page/MonitorPage.ts"
import * as Recorder from "../src/recorder/Recorder.ts"
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

describe("docs/deployment", () => {
  const blocks = ["deployment.md", "proxies.md"].flatMap((file) =>
    [...read(file).matchAll(/```\w+\n(.*?)```/gs)].map(([, text]) => text)
  )

  it.each(readdirSync(new URL("../docs/deployment", import.meta.url)))("%s is shown as it is", (file) => {
    assert.include(blocks, read(`deployment/${file}`))
  })
})

/** The section below a heading, up to the next one of its level. */
const section = (document: string, heading: string): string => {
  const [hashes = ""] = heading.split(" ", 1)
  const [, found] = new RegExp(`^${heading}$(.*?)(?=^#{1,${hashes.length}} |$(?![^]))`, "ms").exec(document) ?? []
  assert.isDefined(found, heading)
  return found
}

/** The cells of a table's rows; what is left out in the first column is what stands above. */
const rows = (text: string): ReadonlyArray<ReadonlyArray<string>> => {
  let first = ""
  return text.split("\n").filter((line) => /^\|(?! -)/.test(line)).map((line) => {
    const [head = "", ...cells] = line.split(/(?<!\\)\|/).slice(1, -1).map((cell) => cell.trim())
    if (head !== "") first = head
    return [first, ...cells]
  })
}

describe("docs/configuration.md", () => {
  const document = read("configuration.md")
  const command = rows(section(document, "## The command")).slice(1)

  it("has each option of the command, with its variable", () => {
    const names = Object.keys(flags).map((name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`))
    assert.sameMembers(
      command.map(([option = "", variable = ""]) => `${option.split(",", 1)[0]} ${variable}`),
      names.map((name) => `\`--${name}\` \`BAYEUX_${name.toUpperCase().replaceAll("-", "_")}\``)
    )
  })

  it("has the defaults that --help tells", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ["src/bin.ts", "--help"], {
      cwd: new URL("..", import.meta.url)
    })
    const told = stdout.split(/^ +(?=-)/m).flatMap((line) => {
      const [, name = ""] = /--([a-z-]+)/.exec(line) ?? []
      const [, byDefault] = /\(default: ([\w./:-]+)/.exec(line) ?? []
      return byDefault === undefined ? [] : [[name, byDefault] as const]
    })
    assert.isAbove(told.length, 10)
    for (const [name, byDefault] of told) {
      const row = command.find(([option]) => option?.startsWith(`\`--${name}\``))
      assert.include(row?.[2], byDefault, name)
    }
  })

  const layers: ReadonlyArray<readonly [heading: string, layer: string, schema: { readonly fields: object }]> = [
    ["### Bayeux.layer", "", Bayeux.BayeuxOptions],
    ["### NodeServer.layer", "", NodeServer.NodeServerOptions],
    ["### Transports", "`WebSocketTransport.layer`", WebSocketTransport.WebSocketOptions],
    ["### Transports", "`LongPollingTransport.layer`", LongPollingTransport.LongPollingOptions],
    ["### Transports", "`EventSourceTransport.layer`", EventSourceTransport.EventSourceOptions],
    ["### RedisEngine.layer", "", RedisEngine.RedisOptions],
    ["### Monitoring", "`MonitorPage.layer`, `.attach`", MonitorPage.MonitorPageOptions],
    ["### Monitoring", "`Metrics.layer`", Metrics.MetricsOptions],
    ["### Monitoring", "`MetricsPage.layer`, `.attach`", MetricsPage.MetricsPageOptions],
    ["### Monitoring", "`Tracing.layer`", Tracing.TracingOptions],
    ["### Monitoring", "`Presence.layer`", Presence.PresenceOptions],
    ["### Monitoring", "`Recorder.layer`", Recorder.RecorderOptions]
  ]
  /** Options that no schema has: functions that make something. */
  const makers = ["createServer", "client"]

  it.each(layers)("%s %s has each option of the layer", (heading, layer, { fields }) => {
    const told = rows(section(document, heading)).slice(1)
      .filter(([first]) => layer === "" || first === layer)
      .map(([first = "", second = ""]) => (layer === "" ? first : second).replaceAll("`", ""))
    assert.sameMembers(told.filter((name) => !makers.includes(name)), Object.keys(fields))
  })

  /** A default in the words of both: doc comments write times in full. */
  const short = (text: string): string =>
    text.replaceAll(/[`"]/g, "").replace(/ seconds?/g, " s").replace(/ minutes?/g, " min").replace(/^none.*/, "none")

  it.each(layers)("%s %s has the defaults of the doc comments", (heading, layer, { fields }) => {
    const module = /[`]?([A-Z]\w+)\./.exec(layer === "" ? heading : layer)?.[1] ?? ""
    const folder = module === "Recorder" ? "recorder/" : ""
    const page = read(`api/${folder}${module}.md`)
    let compared = 0
    for (const name of Object.keys(fields)) {
      const [, doc = ""] = new RegExp(`^- \`${name}\\?: .*\\\\\n((?: {2}.*\\n?)+)`, "m").exec(page) ?? []
      const [, told] = /Default: (.+?)[.,;](?:\s|$)/s.exec(doc) ?? []
      if (told === undefined) continue
      const row = rows(section(document, heading)).find((cells) =>
        layer === "" ? cells[0] === `\`${name}\`` : cells[0] === layer && cells[1] === `\`${name}\``
      )
      assert.include(short(row?.[layer === "" ? 1 : 2] ?? ""), short(told), name)
      compared++
    }
    assert.isAbove(compared, 0)
  })

  it("has each option of the usual server", () => {
    const told = rows(section(document, "### BayeuxServer.layer")).slice(1).map(([name = ""]) =>
      name.replaceAll("`", "")
    )
    const parts = { ...Bayeux.BayeuxOptions.fields, ...NodeServer.NodeServerOptions.fields }
    const own = Object.keys(BayeuxServer.BayeuxServerOptions.fields).filter((name) => !(name in parts))
    assert.sameMembers(told, [...own, "engine", "transports", "install"])
  })

  it("says which options the other servers have", () => {
    const line =
      "`NodeServer.attach(server, options)` and `HttpRoutes.layer(options)` have `mount`, `gracePeriod`, `origins` and `trustedProxies`."
    assert.include(document, line)
    for (const { fields } of [NodeServer.AttachOptions, HttpRoutes.HttpRoutesOptions]) {
      assert.sameMembers(Object.keys(fields), ["mount", "gracePeriod", "origins", "trustedProxies"])
    }
  })
})

const root = new URL("../", import.meta.url)
const scripts = (JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  readonly scripts: { readonly [name: string]: string }
}).scripts
const options = new Set(
  Object.keys(flags).map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
)

/** Fails if a relative link of a document leads to no file, or to no heading of it. */
const checkLinks = (path: string): void => {
  const folder = new URL(path, root)
  const anchors = (text: string) =>
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
      title.toLowerCase().replace(/[^\w -]/g, "").replaceAll(" ", "-")
    )
  const document = readFileSync(folder, "utf8")
  for (const [, path = "", , anchor] of document.matchAll(/\]\((?!https?:)([^)#\s]*)(#([^)\s]+))?\)/g)) {
    const target = new URL(path === "" ? folder : path, folder)
    assert.isTrue(existsSync(target), path)
    if (anchor !== undefined) assert.include(anchors(readFileSync(target, "utf8")), anchor, path)
  }
}

describe("docs/api", () => {
  const pages = readdirSync(new URL("docs/api", root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))

  it.each(pages)("%s has links that lead somewhere", (page) => checkLinks(`docs/api/${page}`))

  it("has a page for each module of the main entry", () => {
    assert.includeMembers(pages, Object.keys(main).map((name) => `${name}.md`))
  })
})

describe.each(documents())("%s", (path) => {
  const document = readFileSync(new URL(path, root), "utf8")

  it("has links that lead somewhere", () => checkLinks(path))

  it("names files and folders that exist", () => {
    const paths = (pattern: RegExp) => [...document.matchAll(pattern)].map(([, path = ""]) => path)
    const named = [
      ...paths(/`((?:src|test|bench|examples|scripts|docs|etc)(?:\/[\w.-]+)+|page\/\w+\.js)`/g),
      ...paths(/`((?:core|base|engine|recorder|monitor|service|transport|telemetry|page|command)\/[\w./-]+\.ts)`/g)
        .map((path) => `src/${path}`)
    ]
    for (const path of named) assert.isTrue(existsSync(new URL(path, root)), path)
  })

  it("calls the command and npm as they can be called", () => {
    for (const [, name = ""] of document.matchAll(/npm run ([\w:]+)/g)) assert.property(scripts, name)
    for (const [call] of document.matchAll(/(?:^|`)(?:npx )?(?:effect-bayeux|npm start --) --.*?(?:$|`)/gm)) {
      for (const [option] of call.replace(/#.*/, "").matchAll(/--[a-z][a-z-]*/g)) assert.include([...options], option)
    }
  })
})

it("README.md is short", () => {
  assert.isAtMost(readFileSync(new URL("README.md", root), "utf8").split("\n").length - 1, 120)
})

it("README.md tells the commands that .ci/run calls", () => {
  const commands = [...readFileSync(new URL("README.md", root), "utf8").matchAll(/```sh\n(.*?)\n```/gs)]
    .map(([, text]) => text)
  assert.includeMembers(commands, ["npm ci && npm start", "npm ci && npm test"])
  const ci = readFileSync(new URL(".ci/run", root), "utf8")
  for (const call of [/^if step \d+ npm ci; then$/m, /^ *step \S+ npm test\b/m]) assert.match(ci, call)
})

it("docs/images has small pictures", () => {
  for (const file of readdirSync(new URL("docs/images", root))) {
    assert.isBelow(readFileSync(new URL(`docs/images/${file}`, root)).length, 150_000, file)
  }
})

it("docs/README.md lists each page", () => {
  const index = read("README.md")
  for (const file of readdirSync(new URL("docs", root))) {
    if (file !== "README.md" && /\.(?:md|json|yml)$/.test(file)) assert.include(index, `](${file})`)
  }
})

describe("docs/troubleshooting.md", () => {
  /** The sources, with strings that are continued on the next line in one piece. */
  const sources = readdirSync(new URL("src", root), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(new URL(`src/${file}`, root), "utf8"))
    .join("\n")
    .replaceAll(/["`] \+\s*["`]/g, "")
    .replaceAll("\\\"", "\"")

  it("has each error of an answer", () => {
    const errors = readFileSync(new URL("src/core/BayeuxError.ts", root), "utf8").matchAll(/\/\*\* `(\d{3}:[^`]*)`/g)
    const told = section(read("troubleshooting.md"), "## Errors in answers")
    for (const [, error = ""] of errors) assert.include(told, `\`${error}\``)
  })

  it("quotes what the server says", () => {
    const quotes = [...read("troubleshooting.md").matchAll(/`((?:[A-Z][a-z]*|…) [^`]*)`/g)].map(([, text = ""]) => text)
    assert.isAtLeast(quotes.length, 25)
    for (const quote of quotes) {
      for (const part of quote.split("…")) assert.include(sources, part.trim(), quote)
    }
  })
})

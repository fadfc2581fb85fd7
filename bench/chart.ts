/**
 * `node bench/chart.ts results.json growth.json`: makes the charts and the tables of `docs/performance.md` from what the
 * benchmark has written. Either file may be missing; its part of the document then stays as it is.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { fill } from "./charts/Document.ts"
import * as GrowthChart from "./charts/GrowthChart.ts"
import * as RatioChart from "./charts/RatioChart.ts"
import * as Growth from "./growth/Growth.ts"
import * as GrowthReport from "./growth/Report.ts"
import * as JsonFile from "./harness/JsonFile.ts"
import { OptionsInvalid, tryParse } from "./harness/Options.ts"
import * as Report from "./harness/Report.ts"
import * as Results from "./harness/Results.ts"
import * as Text from "./harness/Text.ts"

const docs = new URL("../docs/", import.meta.url)

const write = (name: string, text: string): void => {
  writeFileSync(new URL(name, docs), text)
  console.log(`docs/${name}`)
}

const fillDocument = (parts: { readonly [name: string]: string }): void =>
  write("performance.md", fill(readFileSync(new URL("performance.md", docs), "utf8"), parts))

const drawResults = (results: Results.Results): void => {
  write("images/performance.svg", RatioChart.chart(results))
  fillDocument({
    "servers": [Report.origin(results), Text.markdown(Report.overview(results)), ...Report.notes(results)].join("\n\n"),
    "monitors": Text.markdown(Report.monitors(results))
  })
}

const drawGrowth = (growth: Growth.Growth): void => {
  write("images/growth.svg", GrowthChart.chart(growth))
  const tables = GrowthReport.measured(growth).map((work) => Text.markdown(GrowthReport.table(growth, work)))
  fillDocument({ growth: [GrowthReport.origin(growth), ...tables].join("\n\n") })
}

const main = (): void => {
  const { positionals } = tryParse(() => parseArgs({ allowPositionals: true }))
  if (positionals.length === 0) throw new OptionsInvalid("Give files that npm run bench has written with --json")
  for (const file of positionals) {
    if (JsonFile.formatOf(file) === Growth.format) drawGrowth(Growth.read(file))
    else drawResults(Results.read(file))
  }
}

try {
  main()
} catch (error) {
  if (!(error instanceof OptionsInvalid)) throw error
  console.error(error.message)
  process.exitCode = 2
}

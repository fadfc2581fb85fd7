/**
 * `npm run check:api`: compares the types of each entry, as the last build has them, with its report in `etc`. `npm run api`
 * builds and writes the reports anew (`--write`).
 */
import { Extractor, ExtractorConfig } from "@microsoft/api-extractor"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { cut } from "./ApiReport.ts"
import { entries, type Entry, root } from "./entries.ts"

const path = (file: string) => fileURLToPath(new URL(file, root))
const temporary = mkdtempSync(join(tmpdir(), "api-"))
mkdirSync(path("etc"), { recursive: true })

/** Runs API Extractor for an entry; gives its report, or nothing if it has found errors. */
const extract = ({ types }: Entry): string | undefined => {
  const file = path("api-extractor.json")
  const { apiReport, ...rest } = ExtractorConfig.loadFile(file)
  const extractorConfig = ExtractorConfig.prepare({
    configObject: {
      ...rest,
      mainEntryPointFilePath: path(types),
      apiReport: {
        enabled: true,
        ...apiReport,
        reportFileName: "report.api.md",
        reportFolder: temporary,
        reportTempFolder: join(temporary, "new")
      }
    },
    configObjectFullPath: file,
    packageJsonFullPath: path("package.json")
  })
  const { succeeded } = Extractor.invoke(extractorConfig, {
    localBuild: true,
    // It compares with its last report, which is of another entry.
    messageCallback: (message) => {
      message.handled ||= message.category === "console"
    }
  })
  return succeeded ? readFileSync(join(temporary, "new", "report.api.md"), "utf8") : undefined
}

const namespacesOf = ({ source }: Entry): ReadonlyArray<string> =>
  [...readFileSync(path(source), "utf8").matchAll(/^export \* as (\w+) from/gm)].map(([, name = ""]) => name)

for (const entry of entries) {
  const file = `etc/${entry.name.replaceAll("/", ".")}.api.md`
  const report = extract(entry)
  if (report === undefined) process.exitCode = 1
  else {
    const now = cut(report, namespacesOf(entry))
    const before = existsSync(path(file)) ? readFileSync(path(file), "utf8") : ""
    if (now === before) continue
    writeFileSync(path(file), now)
    console.log(`${file} has changed`)
    if (!process.argv.includes("--write")) process.exitCode = 1
  }
}
rmSync(temporary, { recursive: true })

/**
 * `npm run docs:examples`: copies the files of `examples` into the documents that show them. A block shows a file when its
 * first line names it: `// examples/server.ts`, or `<!-- examples/client.html -->`.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs"

const root = new URL("../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

const block = /```(\w+)\n((?:\/\/|<!--) (examples\/[\w./-]+)(?: -->)?)\n.*?```/gs

/** Replaces each block that names an example by the file as it is. */
export const fill = (document: string): string =>
  document.replaceAll(block, (_block, language, first, file) => `\`\`\`${language}\n${first}\n${read(file)}\`\`\``)

/** Paths of the documents that may show examples. */
export const documents = (): ReadonlyArray<string> => [
  "README.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  "bench/README.md",
  ...readdirSync(new URL("docs", root)).filter((file) => file.endsWith(".md")).map((file) => `docs/${file}`)
]

if (import.meta.main) {
  for (const path of documents()) {
    const before = read(path)
    const after = fill(before)
    if (after !== before) {
      writeFileSync(new URL(path, root), after)
      console.log(path)
    }
  }
}

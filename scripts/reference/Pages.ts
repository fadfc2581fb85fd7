/** The pages of the API reference: Markdown, a page for each module, and an index of all entries. */
import { dirname } from "node:path"
import type { Declaration, Entry, Item, Module } from "./Declarations.ts"

/** A page: its path below `docs/api`, and its text. */
export interface Page {
  readonly path: string
  readonly text: string
}

/** An entry by the name under which it is imported, such as `effect-bayeux/core`. */
export interface Named {
  readonly specifier: string
  readonly entry: Entry
}

interface Place {
  readonly module: Module
  readonly path: string
  readonly importLine: string
}

const folderOf = (specifier: string): string => specifier.split("/").slice(1).map((part) => `${part}/`).join("")

/** Where each module of an entry has its page. An entry that is a module itself has one of its own. */
const placesOf = ({ entry, specifier }: Named): ReadonlyArray<Place> => {
  const places = entry.modules.map((module) => ({
    module,
    path: `${folderOf(specifier)}${module.name}.md`,
    importLine: `import { ${module.name} } from "${specifier}"`
  }))
  const name = specifier.split("/").at(-1) ?? specifier
  return entry.own.items.length === 0 ? places : [...places, {
    module: { ...entry.own, name },
    path: `${folderOf(specifier).replace(/\/$/, "") || name}.md`,
    importLine: `import * as ${
      name.replaceAll(/\W(\w)/g, (_match, letter: string) => letter.toUpperCase())
    } from "${specifier}"`
  }]
}

const depth = (path: string): string => "../".repeat(path.split("/").length - 1)

/** Resolves `{@link …}` to headings of the page, to other pages, or to plain code. */
const linked = (text: string, place: Place, places: ReadonlyArray<Place>): string =>
  text.replaceAll(/\{@link\s+([\w.#]+)(?:\s*\|\s*([^}]+))?\}/g, (_match, target: string, label: string | undefined) => {
    const shown = label?.trim() ?? `\`${target}\``
    const [head = "", tail] = target.split(/[.#]/)
    if (place.module.items.some(({ name }) => name === head)) return `[${shown}](#${head.toLowerCase()})`
    const others = places.filter(({ module }) => module.name === head)
    const other = others.find(({ path }) => dirname(path) === dirname(place.path)) ?? others[0]
    if (other === undefined) return shown
    const isThere = tail !== undefined && other.module.items.some(({ name }) => name === tail)
    return `[${shown}](${depth(place.path)}${other.path}${isThere ? `#${tail.toLowerCase()}` : ""})`
  })

const codeSpan = (code: string): string => code.includes("`") ? `\`\` ${code} \`\`` : `\`${code}\``

const isWorthCode = ({ code, members }: Declaration): boolean => members.length === 0 || !code.startsWith("interface")

const itemText = ({ declarations, name }: Item, link: (text: string) => string): string => {
  const parts = [`## ${name}`]
  for (const declaration of declarations) {
    if (declaration.doc !== "") parts.push(link(declaration.doc))
    if (isWorthCode(declaration)) parts.push(`\`\`\`ts\n${declaration.code}\n\`\`\``)
    const members = declaration.members.map(({ code, doc }) =>
      `- ${codeSpan(code)}${doc === "" ? "" : `\\\n  ${link(doc).replaceAll("\n", "\n  ")}`}`
    )
    if (members.length > 0) parts.push(members.join("\n"))
  }
  return parts.join("\n\n")
}

const notice = "<!-- Made from the doc comments by npm run api: do not edit. -->"

const pageOf = (place: Place, places: ReadonlyArray<Place>): Page => {
  const { importLine, module, path } = place
  const link = (text: string) => linked(text, place, places)
  const parts = [notice, `# ${module.name}`, `\`\`\`ts\n${importLine}\n\`\`\``]
  if (module.doc !== "") parts.push(link(module.doc))
  return { path, text: `${[...parts, ...module.items.map((item) => itemText(item, link))].join("\n\n")}\n` }
}

/** The first sentence of a text, in one line. */
const firstSentence = (text: string): string =>
  (/^.*?[.:;](?=\s|$)/s.exec(text)?.[0] ?? text).replaceAll(/\s+/g, " ").replace(/[:;]$/, ".").replaceAll("|", "\\|")

const introductions: { readonly [specifier: string]: string } = {
  "effect-bayeux/core": "Unstable: for tests of the protocol.",
  "effect-bayeux/recorder": "Unstable: for tools that read recordings.",
  "effect-bayeux/service": "Unstable: contracts for engines, transports and servers of your own."
}

const indexOf = (entries: ReadonlyArray<Named>, places: ReadonlyArray<Place>): Page => {
  const parts = [
    notice,
    "# API",
    "Every exported module, with its doc comments. [Guide](../guide.md) shows them in use."
  ]
  for (const named of entries) {
    parts.push(`## ${named.specifier}`)
    const introduction = introductions[named.specifier]
    if (introduction !== undefined) parts.push(introduction)
    const own = placesOf(named).toSorted((one, other) => one.module.name < other.module.name ? -1 : 1)
    const rows = own.map((place) => {
      const text = linked(firstSentence(place.module.doc), {
        ...place,
        path: "README.md",
        module: { ...place.module, items: [] }
      }, places)
      return `| [${place.module.name}](${place.path}) | ${text} |`
    })
    parts.push(["| module | |", "| --- | --- |", ...rows].join("\n"))
  }
  return { path: "README.md", text: `${parts.join("\n\n")}\n` }
}

/** All pages of the reference. */
export const make = (entries: ReadonlyArray<Named>): ReadonlyArray<Page> => {
  const places = entries.flatMap(placesOf)
  return [indexOf(entries, places), ...places.map((place) => pageOf(place, places))]
}

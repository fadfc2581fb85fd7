/**
 * Reports of API Extractor, cut down to what an entry exports. They also have each declaration that an exported one
 * mentions, and so most of the inside of the package, once for each entry. Of these only the shapes of services are kept,
 * which stand in the unexported bases of their classes. Types among the others are named at the end, so that a new one is
 * seen.
 */

interface Declaration {
  readonly name: string
  readonly text: string
}

const head = /^(?:export )?(?:declare )?(?:abstract )?(namespace|class|interface|type|const|function) ([\w$]+)/m

const declarationOf = (text: string): Declaration => ({ name: head.exec(text)?.[2] ?? "", text })

/** The members of a namespace, by the names that they have in the report. */
const members = (declarations: ReadonlyArray<Declaration>, namespace: string): ReadonlyArray<string> => {
  const { text = "" } = declarations.find(({ name }) => name === namespace) ?? {}
  return [...text.matchAll(/^ {8}([\w$]+)(?: as [\w$]+)?,?$/gm)].map(([, name = ""]) => name)
}

const isType = ({ text }: Declaration): boolean => /class|interface|type/.test(head.exec(text)?.[1] ?? "")

/** A name without the number by which the report tells it from others. */
const withoutNumber = (name: string): string => name.replace(/_\d+$/, "")

/** Cuts down a report of an entry with these namespaces. */
export const cut = (report: string, namespaces: ReadonlyArray<string>): string => {
  const [before = "", body = "", after = ""] = report.split(/(?<=```ts\n\n)|(?=\n```\n)/)
  const declarations = body.split("\n\n").map(declarationOf)
  const exported = new Set([
    "",
    ...declarations.filter(({ text }) => /^export /m.test(text)).map(({ name }) => name),
    ...namespaces,
    ...namespaces.flatMap((namespace) => members(declarations, namespace))
  ])
  const isExported = ({ name }: Declaration) => exported.has(name.replace(/_base$/, ""))
  const kept = declarations.filter(isExported).map(({ text }) => text).join("\n\n")
  const others = declarations.filter((declaration) => !isExported(declaration) && isType(declaration))
  const names = new Set(others.map(({ name }) => `- ${withoutNumber(name)}\n`))
  return `${before}${kept}${after}\nTypes that it mentions and does not export:\n\n${[...names].toSorted().join("")}`
}

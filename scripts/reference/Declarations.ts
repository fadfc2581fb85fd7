/**
 * Reads what a module of the built package exports: names, declarations and doc comments. The declaration files of `dist`
 * have all of that, but for the comment at the top of a module, which stands in its source.
 */
import { existsSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type {
  ClassDeclaration,
  InterfaceDeclaration,
  Node,
  SourceFile,
  Statement,
  TypeNode,
  VariableStatement
} from "typescript/unstable/ast"
import {
  isClassDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isInterfaceDeclaration,
  isNamedExports,
  isNamespaceExport,
  isPropertySignatureDeclaration,
  isStringLiteral,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isTypeReferenceNode,
  isVariableStatement
} from "typescript/unstable/ast/is"
import { API } from "typescript/unstable/sync"

/** A field of an interface, of a service or of options. */
export interface Member {
  readonly code: string
  readonly doc: string
}

/** One declaration of a name: a type and a value may share it. */
export interface Declaration {
  readonly code: string
  readonly doc: string
  readonly members: ReadonlyArray<Member>
}

/** An exported name. */
export interface Item {
  readonly name: string
  readonly declarations: ReadonlyArray<Declaration>
}

/** A module: `doc` is the comment at its top. */
export interface Module {
  readonly name: string
  readonly doc: string
  readonly items: ReadonlyArray<Item>
}

/** What an entry of the package exports: modules by their names, or names of its own. */
export interface Entry {
  readonly modules: ReadonlyArray<Module>
  readonly own: Module
}

/** The text of the last doc comment in some trivia, without its marks. */
const docIn = (trivia: string): string => {
  const [, text = ""] = /\/\*\*((?:(?!\*\/).)*)\*\/[^/]*$/s.exec(trivia) ?? []
  return text.replaceAll(/^[ \t]*\* ?/gm, "").trim()
}

const oneLine = (code: string): string => code.replaceAll(/\s+/g, " ").trim()

/** Types as users read them: those of schemas are shown as the values that they accept. */
const plain = (code: string): string =>
  code
    .replaceAll(/import\("[^"]*"\)\./g, "")
    .replaceAll(/: Schema\.optionalKey<(.*)>(?=;$)/gm, "?: $1")
    .replaceAll(/Schema\.declare<([^,<>]*), [^<>]*>/g, "$1")
    .replaceAll(/Schema\.(?:Int|Finite|Number)\b/g, "number")
    .replaceAll(/Schema\.(?:NonEmptyString|String)\b(?!<)/g, "string")
    .replaceAll(/Schema\.Boolean\b/g, "boolean")

/** Reads declaration files, and keeps those that it has read. */
export class Reader {
  readonly #api: API
  readonly #files = new Map<string, SourceFile>()
  readonly #root: string

  constructor(root: string) {
    this.#root = root
    this.#api = new API({ cwd: root })
  }

  close(): void {
    this.#api.close()
  }

  #open(path: string): SourceFile {
    const known = this.#files.get(path)
    if (known !== undefined) return known
    const snapshot = this.#api.updateSnapshot({ openFiles: [path] })
    const file = snapshot.getDefaultProjectForFile(path)?.program.getSourceFile(path)
    if (file === undefined) throw new Error(`${path} cannot be read: run npm run build first`)
    this.#files.set(path, file)
    return file
  }

  /** Reads an entry by the path of its declaration file. */
  entry(path: string): Entry {
    const modules: Array<Module> = []
    for (const statement of this.#open(path).statements) {
      if (!isExportDeclaration(statement) || statement.exportClause === undefined) continue
      if (!isNamespaceExport(statement.exportClause)) continue
      modules.push(this.#module(statement.exportClause.name.text, this.#target(path, statement.moduleSpecifier)))
    }
    return { modules, own: this.#module("", path) }
  }

  #target(from: string, specifier: Node | undefined): string {
    if (specifier === undefined || !isStringLiteral(specifier)) throw new Error(`${from} exports from nowhere`)
    return resolve(dirname(from), specifier.text.replace(/\.ts$/, ".d.ts").replace(/\.js$/, ".d.ts"))
  }

  #module(name: string, path: string): Module {
    const source = path.replace(`${this.#root}/dist/`, `${this.#root}/src/`).replace(/\.d\.ts$/, ".ts")
    const texts = sourcesOf(source)
    const [head = ""] = /^(?:#!.*\n)?\/\*\*.*?\*\//s.exec(texts[0] ?? "") ?? []
    const found = new Map<string, ReadonlyArray<Declaration>>()
    for (const [name, declaration] of this.#exports(path)) {
      found.set(name, [...found.get(name) ?? [], withSharedFields(declaration, texts)])
    }
    return { name, doc: docIn(head), items: [...found].map(([name, declarations]) => ({ name, declarations })) }
  }

  /** The exported declarations of a file, and those that it exports from others. */
  *#exports(path: string): Iterable<readonly [name: string, declaration: Declaration]> {
    const file = this.#open(path)
    for (const statement of file.statements) {
      if (!isExportDeclaration(statement)) {
        yield* declarationsOf(file, statement)
        continue
      }
      const clause = statement.exportClause
      if (statement.moduleSpecifier === undefined || (clause !== undefined && !isNamedExports(clause))) continue
      const names = clause?.elements.map(({ name, propertyName }) => [name.text, (propertyName ?? name).text] as const)
      for (const [name, declaration] of this.#exports(this.#target(path, statement.moduleSpecifier))) {
        const exported = names === undefined ? name : names.find(([, local]) => local === name)?.[0]
        if (exported !== undefined) yield [exported, declaration]
      }
    }
  }
}

/** The text of a source, and of those that it imports from its package, and of those that they import. */
const sourcesOf = (path: string, depth = 2): ReadonlyArray<string> => {
  if (!existsSync(path)) return []
  const text = readFileSync(path, "utf8")
  const imported = [...text.matchAll(/ from "(\.[^"]*)"/g)].map(([, target = ""]) => resolve(dirname(path), target))
  return depth === 0 ? [text] : [text, ...imported.flatMap((target) => sourcesOf(target, depth - 1))]
}

/** Fields that options share with others have no comments in declaration files: they are in the sources. */
const withSharedFields = (declaration: Declaration, sources: ReadonlyArray<string>): Declaration => {
  const { code, members } = declaration
  if (!/^const \w+: Schema\.Struct<\{/.test(code)) return declaration
  const fields = members.length > 0
    ? members
    : [...code.matchAll(/^ {4}(?:readonly )?(\w+\??: .*);$/gm)].map(([, code = ""]) => ({ code, doc: "" }))
  const found = fields.map((field) => field.doc === "" ? { ...field, doc: fieldDoc(field, sources) } : field)
  return found.some(({ doc }) => doc !== "") ? { ...declaration, code: headOf(code), members: found } : declaration
}

const fieldDoc = ({ code }: Member, sources: ReadonlyArray<string>): string => {
  const [name = ""] = /^\w+/.exec(code) ?? []
  const field = new RegExp(`/\\*\\*(?:(?!\\*/).)*\\*/(?=\\s*${name}: Schema\\.)`, "s")
  return docIn(sources.map((text) => field.exec(text)?.[0]).find((text) => text !== undefined) ?? "")
}

type Named = readonly [name: string, declaration: Declaration]

const isExported = (text: string): boolean => /^export (?:declare |default )?/.test(text)

/** The code of a statement as users read it. */
const codeOf = (file: SourceFile, statement: Node): string =>
  plain(statement.getText(file).replace(/^export (?:declare )?/, ""))

const variableOf = (file: SourceFile, statement: VariableStatement, doc: string): Named => {
  const [variable] = statement.declarationList.declarations
  const members = membersOf(file, variable?.type)
  const code = codeOf(file, statement)
  return [variable?.name.getText(file) ?? "", { code: members.length === 0 ? code : headOf(code), doc, members }]
}

const classOf = (file: SourceFile, statement: ClassDeclaration, doc: string): Named => {
  const name = statement.name?.text ?? "default"
  const base = baseOf(file, statement)
  const code = codeOf(file, statement)
  if (base === undefined) return [name, { code, doc, members: [] }]
  const own = /\{\s*\}$/.test(code) ? "" : ` ${code.slice(code.indexOf("{"))}`
  return [name, {
    code: `class ${name} extends ${headOf(plain(base.getText(file)))}${own}`,
    doc,
    members: membersOf(file, base)
  }]
}

const interfaceOf = (file: SourceFile, statement: InterfaceDeclaration, doc: string): Named => {
  const members = statement.members.map((member) => memberOf(file, member))
  const code = codeOf(file, statement)
  return members.some(({ doc }) => doc !== "")
    ? [statement.name.text, { code: headOf(code), doc, members }]
    : [statement.name.text, { code, doc, members: [] }]
}

/** The declaration that a statement exports. The type of options says nothing beyond their schema, and is left out. */
const declarationsOf = (file: SourceFile, statement: Statement): ReadonlyArray<Named> => {
  const text = statement.getText(file)
  if (!isExported(text) || /^export type (\w+) = typeof \1\.Type;$/.test(text)) return []
  const doc = docIn(file.text.slice(statement.pos, statement.getStart(file)))
  if (isVariableStatement(statement)) return [variableOf(file, statement, doc)]
  if (isClassDeclaration(statement)) return [classOf(file, statement, doc)]
  if (isInterfaceDeclaration(statement)) return [interfaceOf(file, statement, doc)]
  if (isTypeAliasDeclaration(statement) || isFunctionDeclaration(statement)) {
    return [[statement.name?.text ?? "default", { code: codeOf(file, statement), doc, members: [] }]]
  }
  return []
}

/** A declaration without its fields. */
const headOf = (code: string): string => code.replace(/\{.*\}/s, "{ … }")

/** Fields that are for this package only. TypeScript strips them from interfaces, and not from the types of services. */
const isInternal = ({ doc }: Member): boolean => /^@internal\b/m.test(doc)

const memberOf = (file: SourceFile, member: Node): Member => ({
  code: plain(
    oneLine(member.getText(file)).replace(/^readonly /, "").replace(/;$/, "")
      .replace(/: Schema\.optionalKey<(.*)>$/, "?: $1")
  ),
  doc: docIn(file.text.slice(member.pos, member.getStart(file)))
})

/** The fields within the type of a schema or of a service, if they are documented. */
const membersOf = (file: SourceFile, type: TypeNode | undefined): ReadonlyArray<Member> => {
  if (type === undefined || !isTypeReferenceNode(type)) return []
  const literal = type.typeArguments?.findLast(isTypeLiteralNode)
  const members = (literal?.members ?? []).filter(isPropertySignatureDeclaration)
    .map((member) => memberOf(file, member))
    .filter((member) => !isInternal(member))
  return members.some(({ doc }) => doc !== "") ? members : []
}

/** The type that a class extends; TypeScript declares it as a constant `Name_base`. */
const baseOf = (file: SourceFile, { name }: ClassDeclaration): TypeNode | undefined => {
  for (const statement of file.statements) {
    if (!isVariableStatement(statement)) continue
    const [variable] = statement.declarationList.declarations
    if (variable !== undefined && variable.name.getText(file) === `${name?.text}_base`) return variable.type
  }
  return undefined
}

/**
 * Reads what a module of the built package exports: names, declarations and doc comments. The declaration files of `dist`
 * have all of that, but for the comment at the top of a module, which stands in its source.
 */
import { existsSync, readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import type { ClassDeclaration, Node, SourceFile, Statement, TypeNode } from "typescript/unstable/ast"
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
    const [head = ""] = existsSync(source) ? /^(?:#!.*\n)?\/\*\*.*?\*\//s.exec(readFileSync(source, "utf8")) ?? [] : []
    const found = new Map<string, ReadonlyArray<Declaration>>()
    for (const [name, declaration] of this.#exports(path)) found.set(name, [...found.get(name) ?? [], declaration])
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

const isExported = (text: string): boolean => /^export (?:declare |default )?/.test(text)

function* declarationsOf(file: SourceFile, statement: Statement): Iterable<readonly [string, Declaration]> {
  const text = statement.getText(file)
  if (!isExported(text)) return
  const doc = docIn(file.text.slice(statement.pos, statement.getStart(file)))
  const code = (text: string) => plain(text.replace(/^export (?:declare )?/, ""))
  if (isVariableStatement(statement)) {
    const [variable] = statement.declarationList.declarations
    const members = membersOf(file, variable?.type)
    const [, name = ""] = /(?:const|let) (\w+)/.exec(text) ?? []
    yield [name, { code: members.length === 0 ? code(text) : headOf(code(text)), doc, members }]
  } else if (isClassDeclaration(statement)) {
    const base = baseOf(file, statement)
    const members = membersOf(file, base)
    const own = /\{\s*\}$/.test(text) ? "" : text.slice(text.indexOf("{"))
    const parent = base === undefined ? "" : ` extends ${headOf(plain(base.getText(file)))}`
    yield [statement.name?.text ?? "default", {
      code: base === undefined ? code(text) : `class ${statement.name?.text}${parent}${own === "" ? "" : ` ${own}`}`,
      doc,
      members
    }]
  } else if (isInterfaceDeclaration(statement)) {
    const members = statement.members.map((member) => memberOf(file, member))
    const isTold = members.some(({ doc }) => doc !== "")
    yield [statement.name.text, {
      code: isTold ? headOf(code(text)) : code(text),
      doc,
      members: isTold ? members : []
    }]
  } else if (isTypeAliasDeclaration(statement)) {
    // The type of options says nothing that their schema does not say.
    if (!/^export type (\w+) = typeof \1\.Type;$/.test(text)) {
      yield [statement.name.text, { code: code(text), doc, members: [] }]
    }
  } else if (isFunctionDeclaration(statement)) {
    yield [statement.name?.text ?? "default", { code: code(text), doc, members: [] }]
  }
}

/** A declaration without its fields. */
const headOf = (code: string): string => code.replace(/\{.*\}/s, "{ … }")

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
  const members = (literal?.members ?? []).filter(isPropertySignatureDeclaration).map((member) =>
    memberOf(file, member)
  )
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

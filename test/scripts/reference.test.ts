/** The API reference says what declaration files and their comments say. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Reader } from "../../scripts/reference/Declarations.ts"
import * as Pages from "../../scripts/reference/Pages.ts"

const files: { readonly [path: string]: string } = {
  "dist/index.d.ts": "export * as Shop from \"./shop/Shop.ts\";\nexport * as Till from \"./Till.ts\";\n",
  "dist/tools.d.ts":
    "export { open as begin, type Order } from \"./shop/Shop.ts\";\nexport declare const own: number;\n",
  "src/shop/Shop.ts": "/**\n * Sells things. It needs a {@link Till.Till}.\n */\nimport {} from \"x\"\n",
  "dist/shop/Shop.d.ts": `import * as Schema from "effect/Schema";
/** The options of {@link open}. */
export declare const Options: Schema.Struct<{
    /** Number of things. Default: 3. */
    readonly count: Schema.optionalKey<Schema.Int>;
    readonly name: Schema.optionalKey<Schema.NonEmptyString>;
}>;
/** The options of {@link open}. */
export type Options = typeof Options.Type;
declare const Shop_base: Context.ServiceClass<Shop, "Shop", {
    /** Sells a thing. */
    readonly sell: (thing: string) => Effect.Effect<void>;
    /**
     * For the till.
     * @internal
     */
    readonly count: () => number;
}>;
/** A shop. */
export declare class Shop extends Shop_base {
}
/** An order. */
export interface Order {
    /** Its number. */
    readonly id: number;
}
/** Opens a shop. */
export declare const open: (options?: Options) => Shop;
declare const hidden: number;
export {};
`,
  "src/Till.ts": "import { fields } from \"./fields.ts\"\n",
  "src/fields.ts": "export const fields = {\n  /** Number of coins. */\n  coins: Schema.optionalKey(Schema.Int)\n}\n",
  "dist/Till.d.ts": "/** Money | and coins; no notes. */\nexport type Till = {\n    readonly sum: number;\n};\n"
    + "export declare const Options: Schema.Struct<{\n    coins: Schema.optionalKey<Schema.Int>;\n}>;\n"
}

describe("the API reference", () => {
  const root = mkdtempSync(join(tmpdir(), "api-"))
  let pages: ReadonlyMap<string, string>

  beforeAll(() => {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(`${root}/${path}`), { recursive: true })
      writeFileSync(`${root}/${path}`, text)
    }
    const reader = new Reader(root)
    const made = Pages.make([
      { specifier: "shop", entry: reader.entry(`${root}/dist/index.d.ts`) },
      { specifier: "shop/tools", entry: reader.entry(`${root}/dist/tools.d.ts`) }
    ])
    reader.close()
    pages = new Map(made.map(({ path, text }) => [path, text]))
  })
  afterAll(() => rmSync(root, { recursive: true }))

  const page = (path: string) => pages.get(path) ?? ""

  it("has a page for each module, and for an entry that is one", () =>
    assert.deepStrictEqual([...pages.keys()], ["README.md", "Shop.md", "Till.md", "tools.md"]))

  it("begins a page with the import and the module's own comment, which stands in the source", () =>
    assert.include(
      page("Shop.md"),
      "# Shop\n\n```ts\nimport { Shop } from \"shop\"\n```\n\nSells things. It needs a [`Till.Till`](Till.md#till).\n"
    ))

  it("lists the fields of options with the types of their values", () => {
    assert.include(
      page("Shop.md"),
      "The options of [`open`](#open).\n\n```ts\nconst Options: Schema.Struct<{ … }>;\n```\n"
    )
    assert.include(page("Shop.md"), "- `count?: number`\\\n  Number of things. Default: 3.\n- `name?: string`\n")
    assert.notInclude(page("Shop.md"), "typeof")
  })

  it("finds the comments of fields that are shared", () =>
    assert.include(
      page("Till.md"),
      "const Options: Schema.Struct<{ … }>;\n```\n\n- `coins?: number`\\\n  Number of coins.\n"
    ))

  it("lists the fields of services and of interfaces", () => {
    assert.include(page("Shop.md"), "class Shop extends Context.ServiceClass<Shop, \"Shop\", { … }>\n")
    assert.include(page("Shop.md"), "- `sell: (thing: string) => Effect.Effect<void>`\\\n  Sells a thing.\n")
    assert.include(page("Shop.md"), "## Order\n\nAn order.\n\n- `id: number`\\\n  Its number.\n")
  })

  it("leaves out what is not exported, and fields that are internal", () => {
    assert.notInclude(page("Shop.md"), "hidden")
    assert.notInclude(page("Shop.md"), "For the till")
  })

  it("follows names that an entry takes from elsewhere", () => {
    assert.include(page("tools.md"), "import * as tools from \"shop/tools\"")
    assert.include(page("tools.md"), "## begin\n\nOpens a shop.\n")
    assert.include(page("tools.md"), "## own\n")
    assert.notInclude(page("tools.md"), "## Shop")
  })

  it("has an index with the first sentence of each module", () => {
    assert.include(page("README.md"), "## shop\n")
    assert.include(page("README.md"), "| [Shop](Shop.md) | Sells things. |")
  })
})

/**
 * The script of the interoperability pages: opens a client in the page and answers the test, which can call it only
 * with plain data. Served by `page.ts` with its types stripped, beside `clients.ts`.
 */
import type * as Cometd from "cometd"
import type { Client as Faye } from "faye"
import { type Client, openCometd, openFaye, type OpenOptions } from "./clients.ts"

export interface PageClients {
  open: (library: "faye" | "cometd", options: OpenOptions) => Promise<void>
  call: (verb: keyof Client, args: ReadonlyArray<unknown>) => Promise<unknown>
}

let client: Client | undefined

const pageClients: PageClients = {
  open: async (library, options) => {
    client = library === "faye"
      ? await openFaye((globalThis as unknown as { Faye: { Client: typeof Faye } }).Faye.Client, options)
      : await openCometd(
        (await import(new URL("/cometd/cometd.js", import.meta.url).href) as typeof Cometd).CometD,
        options
      )
  },
  call: (verb, args) => {
    if (client === undefined) throw new Error("open a client first")
    return (client[verb] as (...args: ReadonlyArray<unknown>) => Promise<unknown>)(...args)
  }
}

Object.assign(globalThis, { pageClients })

/**
 * Clients in pages of a real browser, driven from the test through the same face as those in Node. A page comes from a
 * small server of its own, which makes the Bayeux server another origin, or is opened in the Bayeux server's origin.
 * What the browser really sends is watched from outside the page: `Traffic` tells how each message travelled.
 */
import { readFile } from "node:fs/promises"
import { createServer } from "node:http"
import { stripTypeScriptTypes } from "node:module"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import type { Browser, Page, Request } from "playwright-core"
import { launchChromium } from "./chromium.ts"
import type { Client, OpenOptions, Outcome, Transcript } from "./clients.ts"
import type { PageClients } from "./pageClients.ts"

/** How the browser carried the messages of a channel: connection types, as seen on the network, in order, once each. */
export interface Traffic {
  readonly carriers: (channel: string) => ReadonlyArray<string>
  readonly eventSources: () => ReadonlyArray<string>
  /** How requests were answered, in order: the page's, or those for its streams. */
  readonly statuses: (type: "xhr" | "eventsource") => ReadonlyArray<number>
}

/** A running Chromium, and the server its pages come from. */
export interface Browsers {
  readonly browser: Browser
  /** Empty pages, each with a profile of its own, to be used again: a new one takes longer than most scenarios. */
  readonly idle: Array<Page>
  readonly origin: string
  readonly stop: () => Promise<void>
}

const html = "<!doctype html><html><head><meta charset=\"utf-8\"><title>interop</title></head><body></body></html>"
const modules = fileURLToPath(new URL("../../node_modules/", import.meta.url))
const support = fileURLToPath(new URL("./", import.meta.url))

const content = async (path: string): Promise<readonly [type: string, body: string]> => {
  const [, folder, name] = /^\/(support|cometd)\/(\w+\.(?:js|ts))$/.exec(path) ?? []
  if (path === "/") return ["text/html", html]
  if (path === "/faye.js") {
    return ["text/javascript", await readFile(`${modules}faye/client/faye-browser-min.js`, "utf8")]
  }
  if (folder === "cometd") return ["text/javascript", await readFile(`${modules}cometd/${name}`, "utf8")]
  if (folder === "support") {
    return ["text/javascript", stripTypeScriptTypes(await readFile(`${support}${name}`, "utf8"))]
  }
  throw new Error(`No page has ${path}`)
}

/** Starts Chromium, and serves the page and its scripts, to any origin, from a free port. */
export const startBrowsers = async (chromium: string): Promise<Browsers> => {
  const browser = await launchChromium(chromium)
  const server = createServer((request, response) => {
    content(request.url ?? "/").then(
      ([type, body]) => {
        response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "access-control-allow-origin": "*" })
        response.end(body)
      },
      () => response.writeHead(404).end()
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    browser,
    idle: [],
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await browser.close()
    }
  }
}

interface Sent {
  readonly carrier: string
  readonly body: string
}

/** The connection type that a request amounts to, and the messages in it. */
const sentBy = (request: Request): Sent | undefined => {
  const query = new URL(request.url()).searchParams
  const body = request.postData() ?? ""
  if (request.method() === "POST" && request.resourceType() === "xhr") {
    if (request.headers()["content-type"]?.startsWith("application/json") === true) {
      return { carrier: "long-polling", body }
    }
    return { carrier: "cross-origin-long-polling", body: new URLSearchParams(body).get("message") ?? "" }
  }
  if (request.method() === "GET" && request.resourceType() === "script" && query.has("jsonp")) {
    return { carrier: "callback-polling", body: query.get("message") ?? "" }
  }
  return undefined
}

const watch = (page: Page): Traffic => {
  const sent: Array<Sent> = []
  const eventSources: Array<string> = []
  const answered: Array<readonly [type: string, status: number]> = []
  page.on("request", (request) => {
    const message = sentBy(request)
    if (message !== undefined) sent.push(message)
    if (request.resourceType() === "eventsource") eventSources.push(request.url())
  })
  page.on("response", (response) => answered.push([response.request().resourceType(), response.status()]))
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => sent.push({ carrier: "websocket", body: String(payload) }))
  })
  return {
    carriers: (channel) => [
      ...new Set(sent.filter(({ body }) => body.includes(`"channel":"${channel}"`)).map(({ carrier }) => carrier))
    ],
    eventSources: () => eventSources,
    statuses: (type) => answered.filter(([each]) => each === type).map(([, status]) => status)
  }
}

export interface PageClient extends Client {
  readonly traffic: Traffic
}

export interface PageOptions extends OpenOptions {
  readonly library: "faye" | "cometd"
  /** True when the page shall not have the server's origin. */
  readonly crossOrigin: boolean
}

/** Opens a page with a client in it. */
export const openPage = async (
  { browser, idle, origin }: Browsers,
  { crossOrigin, library, ...options }: PageOptions
): Promise<PageClient> => {
  const page = idle.pop() ?? await browser.newPage()
  const leave = async () => {
    page.removeAllListeners()
    await page.goto("about:blank").then(() => idle.push(page), () => page.close())
  }
  const errors: Array<string> = []
  page.on("pageerror", (error) => errors.push(String(error)))
  const traffic = watch(page)
  try {
    // In the server's origin any document will do, such as the one that says that nothing is there.
    await page.goto(crossOrigin ? origin : `${new URL(options.url).origin}/interop`)
    if (library === "faye") await page.addScriptTag({ url: `${origin}/faye.js` })
    await page.addScriptTag({ type: "module", url: `${origin}/support/pageClients.ts` })
    await page.evaluate(
      ([library, options]) =>
        (globalThis as unknown as { pageClients: PageClients }).pageClients.open(library, options),
      [library, options] as const
    )
  } catch (error) {
    await leave()
    throw errors.length === 0 ? error : new Error(`The page failed: ${errors.join("; ")}`, { cause: error })
  }

  const call = <A>(verb: keyof Client) => (...args: ReadonlyArray<unknown>): Promise<A> =>
    page.evaluate(
      ([verb, args]) => (globalThis as unknown as { pageClients: PageClients }).pageClients.call(verb, args),
      [verb, args] as const
    ) as Promise<A>
  return {
    traffic,
    clientId: call<string>("clientId"),
    transport: call<string>("transport"),
    subscribe: call<Outcome>("subscribe"),
    unsubscribe: call<void>("unsubscribe"),
    publish: call<Outcome>("publish"),
    publishAll: call<Array<Outcome>>("publishAll"),
    transcript: call<Transcript>("transcript"),
    answers: call<number>("answers"),
    errors: call<Awaited<ReturnType<Client["errors"]>>>("errors"),
    disconnect: call<Outcome>("disconnect"),
    close: leave
  }
}

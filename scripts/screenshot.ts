/**
 * `npm run docs:screenshot`: makes `docs/images/monitor-page.png`. It runs the command with clients that come, chat and go
 * for a minute, and takes a picture of the monitor page in Chromium.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { WebSocket } from "ws"
import { findChromium, launchChromium } from "../test/support/chromium.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
/** How long clients chat, and how long until the picture is taken. */
const seconds = 120
const wait = 58_000

/** Starts the server, and gives the URL that it says it listens on. */
const startServer = async (): Promise<readonly [child: ChildProcess, url: string]> => {
  const child = spawn(process.execPath, ["src/bin.ts", "--port", "0", "--timeout", "5"], {
    cwd: root,
    stdio: ["ignore", "ignore", "pipe"]
  })
  let log = ""
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk) => {
      log += String(chunk)
      const [url] = /http:\/\/\S+\/bayeux/.exec(log) ?? []
      if (url !== undefined) resolve(url)
    })
    child.on("exit", () => reject(new Error(`The server has ended: ${log}`)))
  })
  return [child, url]
}

/** Numbers that are the same in each run. */
const randomly = (seed: number) => (bound: number): number => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return Math.floor(seed / 65_536) % bound
}

const subscriptions = [
  ["/rooms/lobby", "/news/today"],
  ["/rooms/**", "/alerts/*"],
  ["/rooms/kitchen", "/rooms/lobby"],
  ["/prices/EUR/USD", "/news/today"],
  ["/rooms/garden"]
]
const channels = ["/rooms/lobby", "/rooms/lobby", "/rooms/kitchen", "/rooms/garden", "/news/today", "/prices/EUR/USD"]

type Reply = { readonly [field: string]: unknown }

/** A client by WebSocket, with as little of Bayeux as it takes. */
class Client {
  readonly #socket: WebSocket
  #clientId: unknown

  constructor(url: string) {
    this.#socket = new WebSocket(url.replace("http", "ws"))
  }

  async begin(subscription: ReadonlyArray<string>): Promise<void> {
    await once(this.#socket, "open")
    this.#send({ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"] })
    const [text] = await once(this.#socket, "message")
    const [reply] = JSON.parse(String(text)) as ReadonlyArray<Reply>
    this.#clientId = reply?.["clientId"]
    this.#socket.on("message", (text: Buffer) => {
      const replies = JSON.parse(text.toString("utf8")) as ReadonlyArray<Reply>
      if (replies.some(({ channel }) => channel === "/meta/connect")) this.#connect()
    })
    this.#send({ channel: "/meta/subscribe", clientId: this.#clientId, subscription })
    this.#connect()
  }

  publish(channel: string, data: unknown): void {
    this.#send({ channel, clientId: this.#clientId, data })
  }

  disconnect(): void {
    this.#send({ channel: "/meta/disconnect", clientId: this.#clientId })
  }

  /** Is gone without a word. */
  vanish(): void {
    this.#socket.terminate()
  }

  #connect(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#send({ channel: "/meta/connect", clientId: this.#clientId, connectionType: "websocket" })
  }

  #send(message: object): void {
    this.#socket.send(JSON.stringify([message]))
  }
}

const begin = async (url: string, n: number): Promise<Client> => {
  const client = new Client(url)
  await client.begin(subscriptions[n % subscriptions.length] ?? [])
  return client
}

/** A session by long-polling that is slow to ask again, so that messages wait for it. */
const poll = async (url: string, pause: number): Promise<void> => {
  const send = async (message: object): Promise<Reply> => {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify([message])
    })
    return (await response.json() as ReadonlyArray<Reply>)[0] ?? {}
  }
  const supportedConnectionTypes = ["long-polling"]
  const { clientId } = await send({ channel: "/meta/handshake", version: "1.0", supportedConnectionTypes })
  await send({ channel: "/meta/subscribe", clientId, subscription: ["/rooms/*", "/news/today"] })
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    await send({ channel: "/meta/connect", clientId, connectionType: "long-polling" })
    await sleep(pause)
  }
}

/** Clients come and go, and publish more and less. */
const chat = async (url: string): Promise<void> => {
  const random = randomly(7)
  const clients: Array<Client> = []
  let next = 0
  for (; next < 24; next++) clients.push(await begin(url, next))
  for (const pause of [2_000, 3_000, 4_000, 30_000]) void poll(url, pause).catch(() => undefined)
  const end = performance.now() + seconds * 1_000
  for (let tick = 0; performance.now() < end; tick++) {
    const busy = 1 + Math.round(4 * (1 + Math.sin(tick / 45)) + random(3))
    for (let n = 0; n < busy; n++) {
      clients[random(clients.length)]?.publish(channels[random(channels.length)] ?? "/chat", { text: "hello", n })
    }
    if (tick % 13 === 12 && clients.length < 44) clients.push(await begin(url, next++))
    if (tick % 23 === 22) {
      const [client] = clients.splice(random(clients.length), 1)
      if (tick % 2 === 0) client?.disconnect()
      else client?.vanish()
    }
    await sleep(100)
  }
}

const chromium = findChromium()
if (chromium === undefined) throw new Error("There is no Chromium: install it, or name it in CHROMIUM_PATH")
const [server, url] = await startServer()
const browser = await launchChromium(chromium)
try {
  const page = await browser.newPage({ viewport: { width: 1_120, height: 980 } })
  await page.goto(new URL("/monitor", url).href)
  await page.getByLabel("1 min").check({ force: true })
  for (const kind of ["Handshake", "Unsubscribe", "Disconnect"]) {
    await page.getByLabel(kind, { exact: true }).check({ force: true })
  }
  // Rows under the pointer stay where they are.
  await page.mouse.move(2, 2)
  const chatting = chat(url)
  await Promise.race([chatting, sleep(wait)])
  await page.locator("#events tbody").getByText("Timeout").first().waitFor()
  await page.screenshot({ path: `${root}docs/images/monitor-page.png` })
} finally {
  await browser.close()
  server.kill()
  await once(server, "exit")
}
process.exit()

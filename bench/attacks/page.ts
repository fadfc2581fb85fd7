/** Attacks by a page of another origin, in a real browser on the machine of the server. */
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { findChromium, launchChromium } from "../../test/support/chromium.ts"
import type { Attack } from "./Attack.ts"

/** What the page does; gives the names of all that the server took. Runs in the page. */
const script = async (port: number): Promise<string> => {
  const at = `127.0.0.1:${port}/bayeux`
  const handshake = JSON.stringify([{
    channel: "/meta/handshake",
    version: "1.0",
    supportedConnectionTypes: ["websocket", "long-polling", "callback-polling"]
  }])
  const publish = (way: string) => JSON.stringify([{ channel: "/page", data: `published by ${way}` }])
  const taken: Array<string> = []
  const told: Array<string> = []
  const within = (promise: Promise<unknown>) =>
    Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 2_000))]).catch(() => undefined)

  // One that listens to everything by WebSocket tells what the others have published.
  const { WebSocket, document, fetch } = globalThis as unknown as Page
  const socket = new WebSocket(`ws://${at}`)
  await within(
    new Promise((resolve) => {
      socket.onopen = () => socket.send(handshake)
      socket.onmessage = ({ data }) => {
        for (const message of JSON.parse(data) as ReadonlyArray<Record<string, string>>) {
          if (message["channel"] === "/meta/handshake") {
            const clientId = message["clientId"]
            socket.send(JSON.stringify([
              { channel: "/meta/subscribe", clientId, subscription: "/**" },
              { channel: "/meta/connect", clientId, connectionType: "websocket" }
            ]))
          }
          if (message["channel"] === "/meta/subscribe") resolve(taken.push("WebSocket subscribes to /**"))
          if (message["channel"] === "/page") told.push(message["data"] ?? "")
        }
      }
    })
  )
  const body = (way: string, type: string, credentials: string) =>
    within(
      fetch(`http://${at}`, { method: "POST", body: publish(way), credentials, headers: { "Content-Type": type } })
    )
  await body("JSON with credentials", "application/json", "include")
  await body("text/plain", "text/plain", "omit")
  await within(fetch(`http://${at}`, {
    method: "POST",
    mode: "no-cors",
    body: new URLSearchParams({ message: publish("form") })
  }))
  await within(
    new Promise((resolve) => {
      const element = document.createElement("script")
      element.src = `http://${at}?jsonp=f&message=${encodeURIComponent(publish("JSONP"))}`
      element.onload = element.onerror = resolve
      document.head.append(element)
    })
  )
  const readable = await within(
    fetch(`http://${at}`, {
      method: "POST",
      body: handshake,
      credentials: "include",
      headers: { "Content-Type": "application/json" }
    }).then((response) => response.text())
  )
  if (typeof readable === "string" && readable.includes("clientId")) taken.push("a handshake with credentials is read")
  await new Promise((resolve) => setTimeout(resolve, 200))
  return [...taken, ...told].join("; ")
}

/** What the script uses of a page. */
interface Page {
  readonly WebSocket: new(url: string) => {
    onopen: () => void
    onmessage: (event: { readonly data: string }) => void
    send: (text: string) => void
  }
  readonly document: {
    readonly createElement: (name: string) => { src: string; onload: unknown; onerror: unknown }
    readonly head: { readonly append: (element: object) => void }
  }
  readonly fetch: (url: string, init: object) => Promise<{ readonly text: () => Promise<string> }>
}

/** A name that is no loopback address for whoever looks at the origin only. */
const host = "attacker.example"

export const page: Attack = {
  name: "page",
  title: "a page of another origin, in Chromium",
  seconds: 60,
  run: async (attacker) => {
    const path = findChromium()
    if (path === undefined) return "there is no Chromium here: install one, or say in CHROMIUM_PATH where it is"
    const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"))
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const browser = await launchChromium(path, `--host-resolver-rules=MAP ${host} 127.0.0.1`)
    try {
      const page = await browser.newPage()
      await page.goto(`http://${host}:${(server.address() as AddressInfo).port}/`)
      const taken = await page.evaluate(script, attacker.port)
      return taken === "" ? "nothing was taken" : `taken: ${taken}`
    } finally {
      await browser.close()
      server.close().closeAllConnections()
    }
  }
}

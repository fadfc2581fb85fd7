/** The page at `/` of the command: a chat between open tabs, for a first try of the server. */
import type { IncomingMessage, ServerResponse } from "node:http"
import { respond, respondError } from "../transport/Http.ts"

const monitorLink = ` <a href="monitor/">See sessions and events live.</a>`

const page = (mount: string, isMonitored: boolean): string =>
  `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>effect-bayeux</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  body { max-width: 40rem; margin: 0 auto; padding: 1rem; display: flex; flex-direction: column; height: 100vh; height: 100dvh; box-sizing: border-box }
  h1 { font-size: 1.25rem; margin: 0 }
  p { margin: .25rem 0 .75rem; opacity: .75 }
  #log { flex: 1; overflow-y: auto; margin: 0; padding: .75rem; list-style: none; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: .5rem }
  #log li { overflow-wrap: anywhere }
  #log b { margin-right: .5rem }
  form { display: flex; gap: .5rem; margin-top: .75rem; flex-wrap: wrap }
  input, button { font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid color-mix(in srgb, currentColor 35%, transparent) }
  #name { width: 8rem } #text { flex: 1; min-width: 10rem }
  #state::before { content: "● "; color: #b45309 } #state.up::before { color: #15803d }
</style>
<h1>effect-bayeux</h1>
<p>Open this page in a second tab and say something.${
    isMonitored ? monitorLink : ""
  } <span id="state" role="status">connecting</span></p>
<ol id="log" aria-live="polite" aria-label="Messages"></ol>
<form id="form">
  <input id="name" aria-label="Your name" maxlength="40" autocomplete="nickname">
  <input id="text" aria-label="Message" placeholder="Message" maxlength="2000" autocomplete="off" autofocus>
  <button>Send</button>
</form>
<noscript>This page needs JavaScript.</noscript>
<script src="${mount}/client.js"></script>
<script>
  const $ = (id) => document.getElementById(id)
  const show = (name, text) => {
    const line = document.createElement("li"), who = document.createElement("b")
    who.textContent = name
    line.append(who, text)
    $("log").append(line)
    line.scrollIntoView()
  }
  const state = (text, up) => { $("state").textContent = text; $("state").className = up ? "up" : "" }
  $("name").value = "guest-" + Math.random().toString(36).slice(2, 6)
  if (window.Faye === undefined) {
    state("Faye's browser client is not installed on the server: run npm install faye")
  } else {
    const client = new Faye.Client("${mount}")
    client.on("transport:up", () => state("connected", true))
    client.on("transport:down", () => state("connection lost, trying again"))
    client.subscribe("/chat", ({ name, text }) => show(String(name), String(text)))
      .then(() => state("connected", true), (error) => state(error.message))
    $("form").addEventListener("submit", (event) => {
      event.preventDefault()
      const text = $("text").value.trim()
      if (text === "") return
      client.publish("/chat", { name: $("name").value, text })
        .then(() => { $("text").value = "" }, (error) => state(error.message))
    })
  }
</script>
`

const headers = {
  "Content-Type": "text/html; charset=utf-8",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'unsafe-inline'; connect-src *; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

/**
 * Answers requests outside of the mount: the page at `/`, with a link to the monitor page if it is served, and an error
 * elsewhere.
 */
export const serve = (mount: string, isMonitored: boolean) => {
  const html = page(mount, isMonitored)
  return (request: IncomingMessage, response: ServerResponse): void => {
    const isPage = /^\/(?:\?|$)/.test(request.url ?? "")
    if (isPage && (request.method === "GET" || request.method === "HEAD")) {
      return respond(response, 200, headers, html)
    }
    const error = isPage
      ? {
        status: 405,
        sentence: `${request.method} is not understood here: this is a page, the service is at ${mount}`
      }
      : { status: 404, sentence: `There is nothing here: the page is at /, the service at ${mount}` }
    respondError({ request, response }, error, isPage ? { Allow: "GET, HEAD" } : {})
  }
}

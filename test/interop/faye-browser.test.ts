/** Faye's browser client in a real Chromium, on each of its five transports. */
import { Client } from "faye"
import { openFaye } from "../support/clients.ts"
import { inChromium, pageScenarios } from "./inChromium.ts"
import type { Setup } from "./scenarios.ts"

// JSONP has its messages in the URL: a large one comes from elsewhere.
const openForLarge: Setup["open"] = ({ retry, url }) => openFaye(Client, { retry, url, transport: "long-polling" })

// With EventSource it takes what is not answered within 1.2 times `retry` for lost, which on a busy machine takes a while.
const forEventSource = { retry: 3_000 }

inChromium("Faye's browser client", (open) => {
  for (
    const [name, transport, crossOrigin, carried] of [
      ["over WebSocket", "websocket", false, { by: "websocket" }],
      ["over WebSocket from another origin", "websocket", true, { by: "websocket" }],
      ["over EventSource", "eventsource", false, { by: "long-polling", eventSource: true }],
      ["over long polling", "long-polling", false, { by: "long-polling" }],
      ["over long polling from another origin", "cross-origin-long-polling", true, { by: "cross-origin-long-polling" }],
      ["over callback polling from another origin", "callback-polling", true, { by: "callback-polling" }]
    ] as const
  ) {
    pageScenarios(name, {
      transport,
      open: (options) => open({ ...options, library: "faye", crossOrigin }),
      // What it is given in one turn goes into requests of 2 KB that race each other; ten messages fit in one.
      burst: transport === "websocket" ? 1_000 : 10,
      ...(transport === "callback-polling" && { openForLarge }),
      ...(transport === "eventsource" && { onRestart: forEventSource })
    }, carried)
  }
})

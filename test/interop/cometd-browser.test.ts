/** CometD's JavaScript client in a real Chromium, on each of its three transports. */
import { inChromium, pageScenarios } from "./inChromium.ts"
import type { Setup } from "./scenarios.ts"

inChromium("CometD's browser client", (open) => {
  const openFrom = (crossOrigin: boolean): Setup["open"] => (options) =>
    open({ ...options, library: "cometd", crossOrigin })
  // JSONP has its messages in the URL: a large one comes from elsewhere.
  const openForLarge: Setup["open"] = (options) => openFrom(false)({ ...options, transport: "long-polling" })

  for (
    const [name, transport, crossOrigin] of [
      ["over WebSocket", "websocket", false],
      ["over long polling", "long-polling", false],
      ["over long polling from another origin", "long-polling", true],
      ["over callback polling from another origin", "callback-polling", true]
    ] as const
  ) {
    pageScenarios(name, {
      transport,
      open: (options) => open({ ...options, library: "cometd", crossOrigin }),
      // Polling takes a batch for each burst; as many as fit into a URL of 2,000 characters where that is the limit.
      burst: transport === "websocket" ? 1_000 : transport === "long-polling" ? 50 : 10,
      ...(transport === "callback-polling" && { openForLarge })
    }, { by: transport })
  }
})

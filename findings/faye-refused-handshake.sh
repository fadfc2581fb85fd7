#!/usr/bin/env bash
# Faye's client (npm faye 1.4.3, Node) and a handshake that is refused.
#
# The specification lets a refused handshake carry advice: here { reconnect: "handshake", interval: 1300 }, "shake hands
# again in 1.3 seconds". The client does that, and it shakes hands again after its own `retry` (here 1.7 s, 5 by default)
# as well. Each of the two, refused again, begins two more: there are more and more, until one follows the other as fast as
# the network can. With { reconnect: "retry" } only its own remains.
#
# Seen with Node 24, handshakes in each of 12 seconds:
#   handshake: 1 2 1 3 4 4 6 6 6 8 11 12
#   retry:     1 1 0 1 0 1 1 0 1 0 1 0
#
# Needs node, npm and a registry; takes half a minute. Ends with 0 if it is still so, 1 if not, 2 if it could not be tried.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
npm init --yes > /dev/null
timeout 120 npm install --silent --no-audit --no-fund faye@1.4.3 > /dev/null 2>&1 || { echo "faye 1.4.3 cannot be installed"; exit 2; }
cat > try.cjs <<'JS'
const http = require("http"), { Client } = require("faye")
const seconds = 12
const count = (reconnect) => new Promise((resolve) => {
  const counts = new Array(seconds).fill(0), began = Date.now()
  const server = http.createServer((request, response) => {
    let body = ""
    request.on("data", (data) => body += data).on("end", () => {
      const [{ channel, id }] = JSON.parse(body)
      const second = Math.floor((Date.now() - began) / 1000)
      if (channel === "/meta/handshake" && second < seconds) counts[second]++
      const advice = { reconnect, interval: 1300 }
      response.setHeader("Content-Type", "application/json")
      response.end(JSON.stringify([{ channel, id, successful: false, error: "403::No", advice }]))
    })
  }).listen(0, "127.0.0.1", () => {
    const client = new Client(`http://127.0.0.1:${server.address().port}/bayeux`, { retry: 1.7 })
    client.disable("websocket")
    client.connect(() => {})
  })
  setTimeout(() => resolve(counts), seconds * 1000)
})
const sum = (counts) => counts.reduce((a, b) => a + b, 0)
;(async () => {
  const told = await count("handshake")
  const own = await count("retry")
  console.log(`handshake: ${told.join(" ")}\nretry:     ${own.join(" ")}`)
  process.exit(sum(told.slice(-3)) > 3 * sum(told.slice(0, 3)) && sum(own) <= seconds / 1.7 + 1 ? 0 : 1)
})()
JS
timeout 60 node try.cjs

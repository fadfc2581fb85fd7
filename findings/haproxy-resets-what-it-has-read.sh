#!/usr/bin/env bash
# haproxy (Debian's 2.6.12) ends connections to a server with a reset when it has read the whole answer.
#
# A server may take a reset behind an answer for a sign that the answer was not read. haproxy has read it, and has passed
# it on: with `option http-server-close`, `option httpclose` or `pool-max-conn 0` after each exchange, by setting SO_LINGER
# to 0 and closing, unless the server's own end of the connection was there before. So a server that waits for its peer
# to close first (RFC 9112, section 9.6) sees ECONNRESET a millisecond after each answer that was read.
#
# Seen with haproxy 2.6.12 and Node 24, a server that waits 200 ms before it closes, five requests over one connection:
#   default:           5 answers read by the client, 0 connections of the server reset
#   http-server-close: 5 answers read by the client, 5 connections of the server reset
#   httpclose:         5 answers read by the client, 5 connections of the server reset
#   pool-max-conn 0:   5 answers read by the client, 5 connections of the server reset
#
# Needs haproxy and node; takes a few seconds. Ends with 0 if it is still so, 1 if not, 2 if it could not be tried.
set -euo pipefail
PATH=$PATH:/usr/sbin
command -v haproxy > /dev/null && command -v node > /dev/null || { echo "haproxy or node is not there"; exit 2; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat > "$dir/try.cjs" <<'JS'
const { spawn } = require("child_process"), fs = require("fs"), http = require("http"), net = require("net")
const dir = process.argv[2], count = 5
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const listen = (server) => new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server.address().port)))
const freePort = async () => {
  const server = net.createServer(), port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}
const connects = (port) => new Promise((resolve) => {
  const socket = net.connect(port, "127.0.0.1", () => resolve(!!socket.destroy())).on("error", () => resolve(false))
})
const observe = async (option, ofServer) => {
  let resets = 0, read = 0
  const server = http.createServer((request, response) => {
    if (!response.shouldKeepAlive) request.socket.destroySoon = function() { setTimeout(() => this.end(), 200) }
    request.resume().on("end", () => response.end("an answer"))
  })
  server.on("connection", (socket) => socket.on("error", ({ code }) => code === "ECONNRESET" && resets++))
  const target = await listen(server), port = await freePort()
  fs.writeFileSync(`${dir}/haproxy.cfg`, `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  ${option}
frontend f
  bind 127.0.0.1:${port}
  default_backend b
backend b
  server s 127.0.0.1:${target} ${ofServer}
`)
  const haproxy = spawn("haproxy", ["-db", "-f", `${dir}/haproxy.cfg`], { stdio: "ignore" })
  for (let i = 0; i < 100 && !await connects(port); i++) await sleep(50)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => {
      http.get({ host: "127.0.0.1", port, agent }, (response) => {
        let text = ""
        response.on("data", (data) => text += data).on("end", () => resolve(read += text === "an answer" ? 1 : 0))
      }).on("error", resolve)
    })
    await sleep(50)
  }
  const seen = resets
  agent.destroy()
  haproxy.kill()
  server.closeAllConnections()
  server.close()
  return { read, resets: seen }
}
const run = async () => {
  const modes = [["default", "", "", 0], ["http-server-close", "option http-server-close", "", count],
    ["httpclose", "option httpclose", "", count], ["pool-max-conn 0", "", "pool-max-conn 0", count]]
  let isSo = true
  for (const [name, option, ofServer, expected] of modes) {
    const { read, resets } = await observe(option, ofServer)
    console.log(`${`${name}:`.padEnd(18)} ${read} answers read by the client, ${resets} connections of the server reset`)
    isSo &&= read === count && resets === expected
  }
  process.exit(isSo ? 0 : 1)
}
void run()
JS
timeout 60 node "$dir/try.cjs" "$dir"

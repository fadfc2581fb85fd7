/** Publishes a number each 200 ms over the server's own loopback, once it is there, and prints it. */
import { Agent, request } from "node:http"

const agent = new Agent({ keepAlive: true })
let n = 0
setInterval(() => {
  if (n > 0) n++
  const data = Math.max(1, n)
  const sent = request({
    host: "127.0.0.1",
    port: 8000,
    path: "/bayeux",
    method: "POST",
    agent,
    headers: { "Content-Type": "application/json" }
  }, (response) => {
    response.resume()
    n = Math.max(n, data)
    console.log(data)
  })
  sent.on("error", () => undefined)
  sent.end(JSON.stringify([{ channel: "/n", data: { n: data } }]))
}, 200)

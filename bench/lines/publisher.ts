/** Publishes a number each 200 ms over the server's own loopback, and prints it. */
import { Agent, request } from "node:http"

const agent = new Agent({ keepAlive: true })
let n = 0
setInterval(() => {
  const data = ++n
  const sent = request({
    host: "127.0.0.1",
    port: 8000,
    path: "/bayeux",
    method: "POST",
    agent,
    headers: { "Content-Type": "application/json" }
  }, (response) => {
    response.resume()
    console.log(data)
  })
  sent.on("error", (error) => console.error(String(error)))
  sent.end(JSON.stringify([{ channel: "/n", data: { n: data } }]))
}, 200)

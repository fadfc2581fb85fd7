/**
 * A process that is halted for longer than sessions live: a suspended machine, a frozen container. The time in which it did
 * not run counts against nobody, and what has arrived meanwhile is read first.
 */
import { afterEach, assert, it } from "@effect/vitest"
import { Agent } from "node:http"
import { Command } from "./support/command.ts"
import {
  atEnd,
  begin,
  connectMessage,
  handshakeMessage,
  openSocket,
  poll,
  post,
  releaseAll,
  subscribeMessage,
  until
} from "./transport/support.ts"

afterEach(releaseAll)

/** How long it is halted, in milliseconds; a session lives for two seconds. */
const halt = 4_500

it("a process that was halted has lost no session, whatever waits in its sockets", async () => {
  const command = new Command(["--port", "0", "--timeout", "1", "--ping", "1"])
  const server = await command.listening()
  const agent = new Agent({ keepAlive: true })
  atEnd(() => agent.destroy())
  const [idle, late, kept] = [await begin(server, "/a"), await begin(server, "/a"), await begin(server, "/a")]
  await post(server, [connectMessage(kept, "long-polling", { advice: { timeout: 0 } })], { agent })
  const socket = await openSocket(server)
  const { clientId: bound = "" } = await socket.send(handshakeMessage)
    .message("a handshake", ({ channel }) => channel === "/meta/handshake")
  socket.send(subscribeMessage(bound, "/a"), connectMessage(bound, "websocket"))
  await socket.message("a connect", ({ channel }) => channel === "/meta/connect")
  await until("a ping", () => socket.pings > 0)

  command.process.kill("SIGSTOP")
  const connects = [
    post(server, [connectMessage(late)]),
    post(server, [connectMessage(kept)], { agent })
  ]
  await new Promise((resolve) => setTimeout(resolve, halt))
  command.process.kill("SIGCONT")

  await post(server, [{ channel: "/a", data: 1 }])
  for (const answer of await Promise.all(connects)) {
    assert.isTrue(answer.messages[0]?.successful, JSON.stringify(answer.messages))
    assert.strictEqual(answer.messages[1]?.data, 1)
  }
  assert.deepStrictEqual(await socket.delivered(1), [1])
  assert.deepStrictEqual(await poll(server, idle), [1])
  assert.isUndefined(socket.closing)
})

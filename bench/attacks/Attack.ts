/** An attack: a row of the table. */
import type { Attacker } from "./Attacker.ts"
import type { Victim } from "./Victim.ts"

export interface Attack {
  readonly name: string
  readonly title: string
  /** How long it may take, in seconds. */
  readonly seconds: number
  /** Options of the command. */
  readonly flags?: ReadonlyArray<string>
  /** Does it; gives what there is to say beside the figures. */
  readonly run: (attacker: Attacker, victim: Victim) => Promise<string>
}

export const handshake = (more: object = {}): object => ({
  channel: "/meta/handshake",
  version: "1.0",
  supportedConnectionTypes: ["websocket", "long-polling"],
  ...more
})

export const subscribe = (clientId: string | undefined, subscription: string | ReadonlyArray<string>): object => ({
  channel: "/meta/subscribe",
  clientId,
  subscription
})

/** Calls so often, one after the other, as long as the attack is not over; gives how often it was. */
export const times = async (
  count: number,
  attacker: Attacker,
  act: (index: number) => Promise<unknown>
): Promise<number> => {
  for (let index = 0; index < count; index++) {
    if (attacker.isOver) return index
    await act(index)
  }
  return count
}

export const mebibyte = 1 << 20

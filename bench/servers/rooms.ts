/** Who is where, for the servers without a protocol: `/subscribe/<room>`, `/publish/<room>`, `/ask/<room>`, `/echo/…`. */

export interface Place {
  /** `publish` passes on what it sends to the room; `ask` is answered as well; `echo` is answered only. */
  readonly role: string
  readonly room: string
}

/** What the path of a request says. */
export const placeOf = (path: string): Place => {
  const [, role = "", room = ""] = path.split("/")
  return { role, room }
}

/** Rooms of subscribers. */
export class Rooms<Subscriber> {
  readonly #rooms = new Map<string, Set<Subscriber>>()

  of(room: string): Set<Subscriber> {
    const known = this.#rooms.get(room)
    if (known !== undefined) return known
    const made = new Set<Subscriber>()
    this.#rooms.set(room, made)
    return made
  }
}

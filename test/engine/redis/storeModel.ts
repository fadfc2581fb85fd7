/**
 * The store without Redis: what `Scripts.commit` and the claims of `Scripts.beat` do, told in another language. It takes
 * the very words that a node hands to the scripts and appends the entries that they write.
 */
import * as LogEntry from "../../../src/engine/redis/LogEntry.ts"

interface Stored {
  owner: string
  generation: number
  readonly local: boolean
  readonly acknowledges: boolean
  readonly hasUniqueIds: boolean
  readonly identity: string
  readonly since: number
  position: number | undefined
  wanted: string | undefined
  readonly subscriptions: Map<string, number>
  /** What its client has sent last, by slots. */
  readonly marks: Map<string, string>
}

const isRepeated = ({ marks }: Stored, once: string): boolean => {
  const [slot = "", mark = ""] = once.split(/ (.*)/)
  if (once === "" || marks.get(slot) === mark) return once !== ""
  marks.set(slot, mark)
  return false
}

type Change = readonly [number: string, kind: string, id: string, first: string, second: string, generation: string]

export class StoreModel {
  readonly log: Array<LogEntry.LogEntry> = []
  readonly sessions = new Map<string, Stored>()
  readonly nodes = new Set<string>()
  readonly marks = new Map<string, number>()
  #last = 0

  #put(stamp: string, text: string): void {
    this.log.push(LogEntry.read(LogEntry.id(this.#last), `${stamp}${text}`))
  }

  /** A batch of orders of a node. */
  commit(node: string, words: ReadonlyArray<string>): void {
    for (let i = 0; i < words.length; i += 6) this.#carryOut(node, words.slice(i, i + 6) as never)
  }

  #carryOut(node: string, [number, kind, id, first, second, generation]: Change): void {
    this.#last += 1
    const stamp = `${node} ${number} `
    const session = this.sessions.get(id)
    const isMine = session?.owner === node && `${session.generation}` === generation
    const refuse = (code: string) => this.#put(stamp, `R ${code}`)
    if (kind === "C") return this.#create(stamp, node, id, first)
    if (kind === "P") {
      if (id !== "-" && session === undefined) return refuse("401")
      if (session?.hasUniqueIds === true && isRepeated(session, second)) return this.#put(stamp, `D ${id}`)
      return this.#put(stamp, `P ${id} ${first}`)
    }
    if (session === undefined) return refuse("401")
    switch (kind) {
      case "S":
      case "U":
        return second === "" ? this.#subscribe(stamp, id, session, kind, first) : refuse("forbidden")
      case "E":
        return generation !== "" && !isMine ? refuse("401") : this.#end(stamp, id, session, first)
      case "A":
        return this.#adopt(stamp, node, id, session, first, second !== "")
      case "Y": {
        if (!isMine) return refuse("401")
        const owner = session.wanted !== undefined && this.nodes.has(session.wanted) ? session.wanted : node
        return this.#claim(stamp, id, session, owner, Number(first), second)
      }
      case "G":
        return this.#put(stamp, `G ${id} ${first}`)
    }
  }

  #create(stamp: string, owner: string, id: string, about: string): void {
    this.sessions.set(id, {
      owner,
      generation: 1,
      local: about[0] === "1",
      acknowledges: about[1] === "1",
      hasUniqueIds: about[2] === "1",
      identity: about.slice(3),
      since: this.#last,
      position: undefined,
      wanted: undefined,
      subscriptions: new Map(),
      marks: new Map()
    })
    this.#put(stamp, `C ${id} ${about.slice(3)}`)
  }

  #subscribe(stamp: string, id: string, { subscriptions }: Stored, kind: "S" | "U", names: string): void {
    const patterns = [...new Set(names.split(",").filter((name) => name !== ""))]
    const changed = patterns.filter((pattern) => subscriptions.has(pattern) === (kind === "U"))
    const told = changed.map((pattern) => kind === "S" ? pattern : `${pattern}=${subscriptions.get(pattern)}`)
    for (const pattern of changed) {
      if (kind === "S") subscriptions.set(pattern, this.#last)
      else subscriptions.delete(pattern)
    }
    this.#put(stamp, `${kind} ${id} ${told.join(",")}`)
  }

  #end(stamp: string, id: string, { identity, since, subscriptions }: Stored, cause: string): void {
    this.sessions.delete(id)
    const about = identity === "" ? "0 " : `${since} ${identity}`
    this.#put(stamp, `E ${id} ${[...subscriptions.keys()].join(",")} ${about} ${cause}`)
  }

  #positionOf({ owner, position }: Stored): number {
    return position ?? this.marks.get(owner) ?? this.#last
  }

  #adopt(stamp: string, node: string, id: string, session: Stored, acknowledged: string, isForced: boolean): void {
    if (session.local) return this.#put(stamp, "R 401")
    if (session.owner === node && !isForced) return this.#put(stamp, `O ${id}`)
    const isAcknowledged = session.acknowledges && acknowledged !== ""
    if (this.nodes.has(session.owner) && !isForced && !isAcknowledged) {
      session.wanted = node
      return this.#put(stamp, `W ${id} ${session.owner}`)
    }
    const from = this.#positionOf(session)
    const position = isAcknowledged ? Math.min(Math.max(from, Number(acknowledged)), this.#last) : from
    this.#claim(stamp, id, session, node, position, "")
  }

  #claim(stamp: string, id: string, session: Stored, owner: string, position: number, left: string): void {
    const first = /^\d+/.exec(left)?.[0]
    session.generation += 1
    session.owner = owner
    session.wanted = undefined
    session.position = first === undefined ? position : Math.min(position, Number(first) - 1)
    const subscriptions = [...session.subscriptions].map(([pattern, from]) => `${pattern}=${from}`).join(",")
    const flags = `${Number(session.acknowledges)}${session.hasUniqueIds ? "u" : ""}`
    const words = [flags, 0, subscriptions, left, session.identity]
    this.#put(stamp, `A ${id} ${owner} ${session.generation} ${position} ${words.join(" ")}`)
  }

  /** A node is alive, with its mark and the positions of its sessions; it claims the sessions of a dead one. */
  beat(node: string, mark: number, positions: ReadonlyArray<string>): void {
    this.marks.set(node, mark)
    for (let i = 0; i < positions.length; i += 3) {
      const session = this.sessions.get(positions[i] ?? "")
      if (session?.owner !== node || `${session.generation}` !== positions[i + 1]) continue
      session.position = positions[i + 2] === "" ? undefined : Number(positions[i + 2])
    }
    for (const [id, session] of this.sessions) {
      if (this.nodes.has(session.owner)) continue
      this.#last += 1
      this.#claim(`${node} 0 `, id, session, node, this.#positionOf(session), "")
    }
  }
}

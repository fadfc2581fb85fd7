/**
 * The connection to the server. The browser opens it again by itself; this notices where it does not: when the server
 * answers with an error for a while, and when nothing comes although the connection seems to be open.
 * @import { Events, Hello, Now, Second, SessionState, Tables } from "../src/page/PageProtocol.ts"
 */

/**
 * @typedef {object} Listener
 * @property {(isLive: boolean) => void} state
 * @property {(hello: Hello) => void} hello
 * @property {(now: Now) => void} now
 * @property {(second: Second) => void} second
 * @property {(tables: Tables) => void} tables
 * @property {(events: Events) => void} events
 * @property {(session: SessionState) => void} session
 */

/** How long nothing may come, in milliseconds: there are about four events a second. */
const patience = 5_000

/** How long to wait before it is tried again, in milliseconds. */
const pause = 1_500

const kinds = /** @type {const} */ (["hello", "now", "second", "tables", "events", "session"])

export class Feed {
  #listener
  #query = ""
  /** @type {EventSource | undefined} */
  #source
  /** @type {number | undefined} */
  #timer

  /** @param {Listener} listener */
  constructor(listener) {
    this.#listener = listener
  }

  /**
   * Has the server tell of what the query asks for, from now on.
   * @param {URLSearchParams} query
   */
  open(query) {
    this.#query = query.toString()
    this.#connect()
  }

  #connect() {
    this.#source?.close()
    const source = this.#source = new EventSource(`feed?${this.#query}`)
    for (const kind of kinds) {
      source.addEventListener(kind, ({ data }) => {
        this.#wait(patience)
        if (kind === "hello") this.#listener.state(true)
        this.#listener[kind](JSON.parse(data))
      })
    }
    source.onerror = () => {
      this.#listener.state(false)
      this.#wait(source.readyState === EventSource.CLOSED ? pause : patience)
    }
    this.#wait(patience)
  }

  /**
   * Tries again if nothing comes meanwhile.
   * @param {number} milliseconds
   */
  #wait(milliseconds) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#retry(), milliseconds)
  }

  /** Whoever is logged out by now gets the form. */
  async #retry() {
    this.#listener.state(false)
    const page = await fetch("./", { method: "HEAD", signal: AbortSignal.timeout(patience) }).catch(() => undefined)
    if (page?.status === 401 || page?.status === 403) location.reload()
    else if (page?.ok === true) this.#connect()
    else this.#wait(pause)
  }
}

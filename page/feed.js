/**
 * The connection to the server. The browser reopens it by itself, except in two cases, which are handled here: the server
 * has answered with an error, or nothing arrives although the connection seems to be open.
 * @import { EventBatch, Hello, Now, Second, SessionState, Tables } from "../src/page/PageProtocol.ts"
 */

/**
 * @typedef {object} FeedHandlers
 * @property {(isLive: boolean) => void} state
 * @property {(hello: Hello) => void} hello
 * @property {(now: Now) => void} now
 * @property {(second: Second) => void} second
 * @property {(tables: Tables) => void} tables
 * @property {(events: EventBatch) => void} events
 * @property {(session: SessionState) => void} session
 */

/** Time without an event after which the connection is checked, in milliseconds. There are about four events a second. */
const silenceTimeout = 5_000

/** Time between two attempts, in milliseconds. */
const retryDelay = 1_500

const kinds = /** @type {const} */ (["hello", "now", "second", "tables", "events", "session"])

export class Feed {
  #handlers
  #query = ""
  /** @type {EventSource | undefined} */
  #source
  /** @type {number | undefined} */
  #timer

  /** @param {FeedHandlers} handlers */
  constructor(handlers) {
    this.#handlers = handlers
  }

  /**
   * Opens the feed for a query, in place of the last one.
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
        this.#wait(silenceTimeout)
        if (kind === "hello") this.#handlers.state(true)
        this.#handlers[kind](JSON.parse(data))
      })
    }
    source.onerror = () => {
      this.#handlers.state(false)
      this.#wait(source.readyState === EventSource.CLOSED ? retryDelay : silenceTimeout)
    }
    this.#wait(silenceTimeout)
  }

  /**
   * Tries again after this time, unless an event arrives.
   * @param {number} milliseconds
   */
  #wait(milliseconds) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#retry(), milliseconds)
  }

  /** Checks whether the server is there. Users who are logged out get the form. */
  async #retry() {
    this.#handlers.state(false)
    const page = await fetch("./", { method: "HEAD", signal: AbortSignal.timeout(silenceTimeout) }).catch(() =>
      undefined
    )
    if (page?.status === 401 || page?.status === 403) location.reload()
    else if (page?.ok === true) this.#connect()
    else this.#wait(retryDelay)
  }
}

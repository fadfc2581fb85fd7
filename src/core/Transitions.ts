/**
 * States of a session and all transitions between them, as two tables: how it is reached, and whether it lives.
 *
 * The tables do not run the machine. The functions of `Connects`, `Links`, `Answers` and `Outcomes` do, and
 * `test/core/Transitions.test.ts` drives each cell through `Machine.reduce`; all other tests of the core check that no
 * other transition ever happens.
 *
 * Whether a session acknowledges is decided by the handshake. It matters in a few rows, which have a table of their
 * own.
 */
import type * as Session from "./Session.ts"

/**
 * Connection of a session, with the connect that is held on it.
 *
 * - `Detached`: none. Messages are queued.
 * - `Polling`: an exchange, whose connect is held. Its answer carries messages, and ends the connection.
 * - `Socket`: a socket without a held connect. Messages are delivered, or queued if the session acknowledges.
 * - `HoldingSocket`: a socket with a held connect, whose answer carries the messages of a session that acknowledges.
 * - `Stream`: a stream. Messages are delivered; a connect beside it is not held.
 */
export type Reach = "Detached" | "Polling" | "Socket" | "HoldingSocket" | "Stream"

/** Life of a session: its end may be committed (`Ending`) and not carried out yet. `Gone`: not in this process. */
export type Life = "Alive" | "Ending" | "Gone"

/** Events that may change how a session is reached. */
export type LinkEvent =
  /** A connect came over an exchange, and may be held: it came alone, and the queue is empty. */
  | "ExchangeConnectHeld"
  /** A connect came over an exchange, and may not be held. */
  | "ExchangeConnectAnswered"
  /** A connect came over an exchange with the id of the one that is held, or of an answer that was not read. */
  | "ExchangeConnectRepeated"
  /** A connect came over an exchange that was sent before the last one. */
  | "ExchangeConnectLate"
  /** A connect came over a socket, the session's own or another one, and may be held. */
  | "SocketConnectHeld"
  /** A connect came over a socket, the session's own or another one, and may not be held. */
  | "SocketConnectAnswered"
  /** A connect of another session came over the session's socket. */
  | "SocketTaken"
  | "StreamOpened"
  /** The turn ended, and messages are queued. */
  | "TurnEnded"
  /** The hold time of the held connect is over. */
  | "HoldTimeOver"
  /** The session's connection is about to be closed from this side, or is gone. */
  | "ConnectionEnding"
  | "ConnectionClosed"

/** Events that may change whether a session lives. */
export type LifeEvent =
  /** Its time-out is over, and no connect is held. */
  | "SessionTimedOut"
  | "EndRequested"
  /** A message came for its full queue, or at the end of a turn more waits for all sessions than may. */
  | "QueueOverflowed"
  /** The engine has refused to end it. */
  | "EndRefused"
  | "SessionEnded"
  /** Another process wants it. */
  | "SessionWanted"
  /** Another process has taken it. */
  | "SessionTaken"

type ReachRow = { readonly [from in Reach]: Reach }
type LifeRow = { readonly [from in Exclude<Life, "Gone">]: Life }

const to = (Detached: Reach, Polling: Reach, Socket: Reach, HoldingSocket: Reach, Stream: Reach): ReachRow => ({
  Detached,
  Polling,
  Socket,
  HoldingSocket,
  Stream
})

const unchanged = to("Detached", "Polling", "Socket", "HoldingSocket", "Stream")

/** Next state of a session that does not acknowledge, by event and state. */
// dprint-ignore
export const links: { readonly [event in LinkEvent]: ReachRow } = {
  //           in the state: Detached         Polling          Socket           HoldingSocket    Stream
  ExchangeConnectHeld:     to("Polling",       "Polling",       "Polling",       "Polling",       "Stream"),
  ExchangeConnectAnswered: to("Detached",      "Detached",      "Detached",      "Detached",      "Stream"),
  ExchangeConnectRepeated: to("Detached",      "Detached",      "Socket",        "HoldingSocket", "Stream"),
  ExchangeConnectLate:     unchanged,
  SocketConnectHeld:       to("HoldingSocket", "HoldingSocket", "HoldingSocket", "HoldingSocket", "HoldingSocket"),
  SocketConnectAnswered:   to("Socket",        "Socket",        "Socket",        "Socket",        "Socket"),
  SocketTaken:             to("Detached",      "Polling",       "Detached",      "Detached",      "Stream"),
  StreamOpened:            to("Stream",        "Stream",        "Stream",        "Stream",        "Stream"),
  TurnEnded:               to("Detached",      "Detached",      "Socket",        "HoldingSocket", "Stream"),
  HoldTimeOver:            to("Detached",      "Detached",      "Socket",        "Socket",        "Stream"),
  ConnectionEnding:        to("Detached",      "Detached",      "Detached",      "Detached",      "Detached"),
  ConnectionClosed:        to("Detached",      "Detached",      "Detached",      "Detached",      "Detached")
}

/**
 * Rows of a session that acknowledges. It has no stream, a held connect carries its messages over a socket, too, and the
 * ids of its connects say nothing.
 */
// dprint-ignore
export const acknowledgingLinks: { readonly [event in LinkEvent]: ReachRow } = {
  ...links,
  //           in the state: Detached         Polling          Socket           HoldingSocket    Stream
  ExchangeConnectRepeated: links.ExchangeConnectHeld,
  ExchangeConnectLate:     links.ExchangeConnectHeld,
  StreamOpened:            unchanged,
  TurnEnded:               to("Detached",      "Detached",      "Socket",        "Socket",        "Stream")
}

/** Next life of a session, by event and life. None of them changes how it is reached as long as it lives. */
// dprint-ignore
export const lives: { readonly [event in LifeEvent]: LifeRow } = {
  SessionTimedOut: { Alive: "Ending", Ending: "Ending" },
  EndRequested:    { Alive: "Ending", Ending: "Ending" },
  QueueOverflowed: { Alive: "Ending", Ending: "Ending" },
  EndRefused:      { Alive: "Alive",  Ending: "Alive" },
  SessionEnded:    { Alive: "Gone",   Ending: "Gone" },
  SessionWanted:   { Alive: "Gone",   Ending: "Ending" },
  SessionTaken:    { Alive: "Gone",   Ending: "Gone" }
}

/** The row of an event for a session. */
export const rowOf = (event: LinkEvent, { acknowledges }: Pick<Session.Session, "acknowledges">): ReachRow =>
  (acknowledges ? acknowledgingLinks : links)[event]

/** The connection of a session, as a state of the table. */
export const reachOf = (session: Session.Session): Reach => {
  const { link } = session
  if (link._tag !== "Attached") return link._tag
  if (link.kind === "stream") return "Stream"
  return link.held === undefined ? "Socket" : "HoldingSocket"
}

/** The life of a session, or of what is no session here (any more). */
export const lifeOf = (session: Session.Session | undefined): Life =>
  session === undefined ? "Gone" : session.ending ? "Ending" : "Alive"

/**
 * Listening on a port or on a Unix socket.
 *
 * A Unix socket is a file, which a killed process leaves behind and which prevents others from listening there. So a file
 * on which no process listens is removed; one with a process behind it never is. Access is controlled by the permissions
 * of the file and of its folder.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { chmodSync, lstatSync, unlinkSync } from "node:fs"
import type { Server } from "node:http"
import type { Server as HttpsServer } from "node:https"
import { connect } from "node:net"

/** A Node server for HTTP or HTTPS. */
export type AnyServer = Server | HttpsServer

/** Error: the server could not be started. */
export class ServerError extends Schema.TaggedError<ServerError>()("BayeuxServerError", {
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return this.reason
  }
}

const listen = (
  server: AnyServer,
  where: { readonly host: string; readonly port: number } | { readonly path: string }
): Effect.Effect<void, NodeJS.ErrnoException> =>
  Effect.callback((resume) => {
    const onError = (cause: NodeJS.ErrnoException) => resume(Effect.fail(cause))
    server.once("error", onError)
    server.listen(where, () => {
      server.off("error", onError)
      resume(Effect.void)
    })
  })

/** Listens on a port of an address. */
export const onPort = (server: AnyServer, host: string, port: number): Effect.Effect<void, ServerError> =>
  Effect.mapError(listen(server, { host, port }), (cause) =>
    new ServerError({
      reason:
        `The server cannot listen on ${host}, port ${port} (${cause.message}): choose another port, or 0 for a free one`,
      cause
    }))

const inode = (path: string): number | undefined => {
  const file = lstatSync(path, { throwIfNoEntry: false })
  return file?.isSocket() === true ? file.ino : undefined
}

/** Removes a socket that a killed process has left. Returns whether there was one. */
const removeAbandoned = (path: string): Effect.Effect<boolean> =>
  Effect.callback((resume) => {
    const before = inode(path)
    if (before === undefined) return resume(Effect.succeed(false))
    const socket = connect(path)
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    socket.on("error", (error: NodeJS.ErrnoException) => {
      const isAbandoned = error.code === "ECONNREFUSED" && inode(path) === before
      if (isAbandoned) unlinkSync(path)
      resume(Effect.succeed(isAbandoned))
    })
  })

const reasonFor = (path: string, { code, message }: NodeJS.ErrnoException): string =>
  `The server cannot listen on the Unix socket ${path} (${message}): ` + (
    code === "EADDRINUSE"
      ? "another process listens there, or it is no socket; end that process, or choose another path"
      : "give a path of at most 107 bytes, in a folder that exists and is writable for this process"
  )

/** Listens on a Unix socket with these permissions. */
export const onSocket = (server: AnyServer, path: string, mode: number): Effect.Effect<void, ServerError> => {
  const listening = listen(server, { path })
  return listening.pipe(
    Effect.catch((cause) =>
      cause.code !== "EADDRINUSE"
        ? Effect.fail(cause)
        : Effect.flatMap(removeAbandoned(path), (isRemoved) => isRemoved ? listening : Effect.fail(cause))
    ),
    Effect.andThen(Effect.sync(() => chmodSync(path, mode))),
    Effect.mapError((cause) => new ServerError({ reason: reasonFor(path, cause), cause }))
  )
}

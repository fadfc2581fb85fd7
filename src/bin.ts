#!/usr/bin/env node
/**
 * The command: serves, replays what was recorded, tells stories of it. Everything but events goes to standard error.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import { flags } from "./command/flags.ts"
import * as Inspect from "./command/inspect.ts"
import * as LogConsole from "./command/LogConsole.ts"
import * as Replay from "./command/replay.ts"
import { serve } from "./command/serve.ts"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

const command = Command.make("effect-bayeux", flags, serve).pipe(
  Command.withDescription("A Bayeux publish/subscribe server for Faye and CometD clients"),
  Command.withSubcommands([Replay.command, Inspect.command]),
  Command.run({ version })
)

/** What is wrong with a call goes to standard error, with where to read more: standard output is for events. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(`${event.errors.map(({ message }) => message).join("\n")}\nSee: effect-bayeux --help`)
      : CliOutput.defaultPresenter.present(event)
}

/** A stop by signal is a success: it ends in good order. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

const isSentence = (error: unknown): error is Error => error instanceof Error && error.message !== ""

command.pipe(
  Effect.tapError((error) =>
    CliError.isCliError(error) || !isSentence(error) ? Effect.void : Console.error(error.message)
  ),
  Effect.provideService(References.LogToStderr, true),
  Effect.provideService(CliOutput.Presenter, presenter),
  Effect.provide([NodeServices.layer, LogConsole.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)

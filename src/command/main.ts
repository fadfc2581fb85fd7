/**
 * The command: serves, replays recordings, prints timelines out of them. Everything but events goes to standard error. What
 * a call does is loaded when its arguments are known.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import { readFileSync } from "node:fs"
import { flags } from "./flags.ts"
import * as Loading from "./Loading.ts"
import * as LogConsole from "./LogConsole.ts"

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** Argument of the commands for recordings. */
const file = Argument.String("file").pipe(
  Argument.withDescription("File of the recording; the older part beside it, FILE.1, is read as well")
)

const replay = Command.make(
  "replay",
  {
    file,
    until: Flag.Int("until").pipe(
      Flag.withDescription("Stop after the event with this number"),
      Flag.optional
    )
  },
  ({ file, until }) =>
    Loading.effect(
      () => import("./replay.ts"),
      (module) => module.replay(file, Option.getOrElse(until, () => Infinity))
    )
).pipe(
  Command.withDescription(
    "Run a recording again and print its events. Exits with 0 if the recording is complete and its replay is the same, " +
      "with 1 if not, and with 2 if the file is not a recording"
  )
)

const inspect = Command.make(
  "inspect",
  {
    file,
    client: Flag.String("client").pipe(
      Flag.withDescription("Session, by its name in the recording"),
      Flag.optional
    ),
    message: Flag.Int("message").pipe(
      Flag.withDescription("Message, by the number of its Publish event"),
      Flag.optional
    ),
    json: Flag.Boolean("json").pipe(Flag.withDescription("Print a JSON object for each line"), Flag.withDefault(false))
  },
  (options) => Loading.effect(() => import("./inspect.ts"), (module) => module.inspect(options))
).pipe(Command.withDescription("Print the timeline of a session or of a message from a recording"))

const command = Command.make(
  "effect-bayeux",
  flags,
  (settings) => Loading.effect(() => import("./serve.ts"), ({ serve }) => serve(settings))
).pipe(
  Command.withDescription("A Bayeux publish/subscribe server for Faye and CometD clients"),
  Command.withSubcommands([replay, inspect]),
  Command.run({ version })
)

/** Prints errors of a call to standard error, with a pointer to --help. Standard output is for events. */
const presenter: CliOutput.Presenter = {
  present: (event) =>
    event._tag === "InvalidInvocation"
      ? Console.error(`${event.errors.map(({ message }) => message).join("\n")}\nSee: effect-bayeux --help`)
      : CliOutput.defaultPresenter.present(event)
}

/** Exits with 0 after a stop by signal, which is graceful. */
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

const hasMessage = (error: unknown): error is Error => error instanceof Error && error.message !== ""

command.pipe(
  Effect.tapError((error) =>
    CliError.isCliError(error) || !hasMessage(error) ? Effect.void : Console.error(error.message)
  ),
  Effect.provideService(References.LogToStderr, true),
  Effect.provideService(CliOutput.Presenter, presenter),
  Effect.provide([NodeServices.layer, LogConsole.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)

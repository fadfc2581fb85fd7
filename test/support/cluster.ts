/** Several processes of the command that share one engine. They end with the test, or the suite, that has started the first. */
import { isMove } from "../../src/core/MonitorEvent.ts"
import { atEnd } from "../transport/support.ts"
import { Command, type PrintedEvent } from "./command.ts"

export interface ClusterOptions {
  readonly size: number
  /** What to start the process at that place with. Without a `--port` it takes a free one. */
  readonly args: (place: number) => ReadonlyArray<string>
  /** What to start. Default: the command. */
  readonly program?: URL | undefined
}

/** A process of the cluster. */
export interface Member {
  readonly url: string
  readonly command: Command
}

export class Cluster {
  readonly #options: ClusterOptions
  readonly #commands: Array<Command> = []
  readonly members: Array<Member> = []

  private constructor(options: ClusterOptions) {
    this.#options = options
  }

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options)
    atEnd(() => {
      for (const { process } of cluster.#commands) process.kill("SIGKILL")
    })
    const places = Array.from({ length: options.size }, (_, place) => place)
    await Promise.all(places.map((place) => cluster.start(place)))
    return cluster
  }

  get urls(): ReadonlyArray<string> {
    return this.members.map(({ url }) => url)
  }

  /** Starts a process at that place, where there is none or one that has ended. */
  async start(place: number): Promise<void> {
    const { args, program } = this.#options
    const own = args(place)
    const port = own.includes("--port") ? [] : ["--port", "0"]
    const command = new Command([...port, "--log-events", ...own], {}, program)
    command.outlive()
    this.#commands.push(command)
    this.members[place] = { command, url: (await command.listening()).url }
  }

  /** Ends a process with `kill -9`. */
  async kill(place: number): Promise<void> {
    this.signal(place, "SIGKILL")
    await this.members[place]?.command.exit()
  }

  /** Ends a process in good order, and gives its exit code. */
  async stop(place: number): Promise<number | string | undefined> {
    this.signal(place, "SIGTERM")
    return this.members[place]?.command.exit()
  }

  /** Sends a signal to a process: SIGSTOP halts it, SIGCONT lets it go on. */
  signal(place: number, signal: NodeJS.Signals): void {
    this.members[place]?.command.process.kill(signal)
  }

  /** What all processes have printed, also those that have ended. */
  get events(): ReadonlyArray<PrintedEvent> {
    return this.#commands.flatMap(({ stdout }) => parse(stdout))
  }

  /** Gives a function that gives what all processes have printed since now. */
  record(): () => ReadonlyArray<PrintedEvent> {
    const before = new Map(this.#commands.map((command) => [command, command.stdout.length]))
    return () => this.#commands.flatMap((command) => parse(command.stdout.slice(before.get(command) ?? 0)))
  }
}

/** The events of the service; what is of a process only does not happen once. */
const parse = (stdout: string): ReadonlyArray<PrintedEvent> =>
  stdout.split("\n").slice(0, -1).map((line) => JSON.parse(line) as PrintedEvent).filter((event) => !isMove(event))

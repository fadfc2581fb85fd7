/** The options of the benchmark. */
import { parseArgs } from "node:util"
import { scenarios } from "../scenarios/index.ts"
import type { Scenario } from "../scenarios/Scenario.ts"
import * as Server from "../servers/Server.ts"

export const help = `npm run bench -- [options]

  --scenario name   only this row of the table; may be repeated
                    ${scenarios.map(({ name }) => name).join(", ")}
  --server name     only this server; may be repeated
                    ${Server.names.join(", ")}
  --rounds N        how often each is measured, with a fresh server each time (default: 3)
  --seconds S       how long each is measured (default: 2)
  --quick           one round of half a second: to see that all works
  --monitors N      how many consumers of all events effect-bayeux has (default: 0);
                    repeated, it is measured with each of these, to compare
  --stuck           these consumers take one event and never another
  --metrics         effect-bayeux counts what goes on
  --record          measure effect-bayeux with a recorder as well, to compare
  --json file       write every round to a file
  --compare file    print the change against such a file
  --profile folder  write the CPU profile of each server there
  --help            this text
`

/** What was given makes no sense. The message is for whom gave it. */
export class OptionsInvalid extends Error {}

export interface Options {
  readonly scenarios: ReadonlyArray<Scenario>
  readonly servers: ReadonlyArray<Server.Name>
  readonly rounds: number
  readonly seconds: number
  readonly warmUp: number
  readonly sessions: number
  readonly monitors: ReadonlyArray<number>
  readonly isStuck: boolean
  readonly isMetered: boolean
  readonly isRecorded: boolean
  readonly json: string | undefined
  readonly compare: string | undefined
  readonly profile: string | undefined
}

/** Reads a number that is given as text. */
export const number = (option: string, text: string | undefined, byDefault: number, minimum: number): number => {
  if (text === undefined) return byDefault
  const value = Number(text)
  if (text.trim() !== "" && Number.isFinite(value) && value >= minimum) return value
  throw new OptionsInvalid(
    `--${option} ${text} is not a number from ${minimum} up: give one, such as --${option} ${byDefault}`
  )
}

/** The same for whole numbers. */
export const whole = (option: string, text: string | undefined, byDefault: number, minimum: number): number => {
  const value = number(option, text, byDefault, minimum)
  if (Number.isInteger(value)) return value
  throw new OptionsInvalid(`--${option} ${text} is not a whole number: give one, such as --${option} ${byDefault}`)
}

/** Reads arguments; a mistake in them is `OptionsInvalid`. */
export const tryParse = <A>(parse: () => A): A => {
  try {
    return parse()
  } catch (error) {
    throw error instanceof TypeError ? new OptionsInvalid(`${error.message}. --help shows the options`) : error
  }
}

/** The items of these names, in the order of all; all of them where no name is given. */
export const pick = <A>(
  option: string,
  wanted: ReadonlyArray<string> | undefined,
  all: ReadonlyArray<A>,
  nameOf: (item: A) => string
) => {
  if (wanted === undefined) return all
  const names = all.map(nameOf)
  const wrong = wanted.find((name) => !names.includes(name))
  if (wrong !== undefined) {
    throw new OptionsInvalid(`There is no ${option} "${wrong}": choose among ${names.join(", ")}`)
  }
  return all.filter((item) => wanted.includes(nameOf(item)))
}

const text = { type: "string" } as const
const flag = { type: "boolean", default: false } as const

/** Reads the command line; `undefined` where help is asked for. */
export const parse = (args: ReadonlyArray<string>): Options | undefined => {
  const { values } = tryParse(() =>
    parseArgs({
      args: [...args],
      options: {
        scenario: { ...text, multiple: true },
        server: { ...text, multiple: true },
        rounds: text,
        seconds: text,
        monitors: { ...text, multiple: true },
        json: text,
        compare: text,
        profile: text,
        quick: flag,
        stuck: flag,
        metrics: flag,
        record: flag,
        help: flag
      }
    })
  )
  if (values.help) return undefined
  return {
    scenarios: pick("scenario", values.scenario, scenarios, ({ name }) => name),
    servers: pick("server", values.server, Server.names, (name) => name),
    rounds: whole("rounds", values.rounds, values.quick ? 1 : 3, 1),
    seconds: number("seconds", values.seconds, values.quick ? 0.5 : 2, 0.1),
    warmUp: values.quick ? 0.5 : 2,
    sessions: 5_000,
    monitors: [...new Set((values.monitors ?? ["0"]).map((text) => whole("monitors", text, 0, 0)))],
    isStuck: values.stuck,
    isMetered: values.metrics,
    isRecorded: values.record,
    json: values.json,
    compare: values.compare,
    profile: values.profile
  }
}

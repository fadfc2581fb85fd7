/**
 * The pure core, for tests against the protocol and for what is built on the machine. Unstable: it changes with the
 * machine, in any version.
 */
export * as Advice from "./core/Advice.ts"
export * as BayeuxError from "./core/BayeuxError.ts"
export * as Change from "./core/Change.ts"
export * as Channel from "./core/Channel.ts"
export * as ClientId from "./core/ClientId.ts"
export * as Connection from "./core/Connection.ts"
export * as Input from "./core/Input.ts"
export * as Machine from "./core/Machine.ts"
export * as Message from "./core/Message.ts"
export * as MonitorEvent from "./core/MonitorEvent.ts"
export * as Output from "./core/Output.ts"
export * as Session from "./core/Session.ts"
export * as Settings from "./core/Settings.ts"
export * as State from "./core/State.ts"

/**
 * The contracts that engines, transports and servers are written against. Unstable: they change with the service, in any
 * version.
 */
export * as Engine from "./engine/Engine.ts"
export * as Connections from "./service/Connections.ts"
export * as Frame from "./service/Frame.ts"
export * as Probe from "./service/Probe.ts"
export * as Transport from "./service/Transport.ts"

// The part of Faye's client (1.4.3, which ships no types) that the interoperability suites use, private fields included
// where only they tell which transport is in use or stop a client that can no longer reach its server.

declare module "faye" {
  interface BayeuxMessage {
    readonly channel: string
    readonly successful?: boolean
    readonly subscription?: string | ReadonlyArray<string>
    readonly data?: unknown
    readonly [field: string]: unknown
  }

  type Pipe = (message: BayeuxMessage, callback: (message: BayeuxMessage) => void) => void

  interface Extension {
    readonly incoming?: Pipe
    readonly outgoing?: Pipe
  }

  interface Subscription extends PromiseLike<void> {
    withChannel(callback: (channel: string, data: unknown) => void): Subscription
    cancel(): void
  }

  interface ClientOptions {
    readonly interval?: number
    readonly retry?: number
    readonly timeout?: number
  }

  export class Client {
    constructor(endpoint: string, options?: ClientOptions)
    addExtension(extension: Extension): void
    connect(callback: () => void): void
    disable(feature: string): void
    disconnect(): PromiseLike<void> | undefined
    setHeader(name: string, value: string): void
    publish(channel: string, data: unknown): PromiseLike<void>
    subscribe(channel: string, callback?: (data: unknown) => void): Subscription
    readonly _advice: { reconnect: string }
    readonly _dispatcher: {
      readonly clientId: string | null
      readonly connectionType: string | undefined
      readonly _envelopes: Map<string, { readonly timer?: ReturnType<typeof setTimeout> | null }>
      close(): void
    }
  }
}

/**
 * Types of which `JSON.stringify` keeps everything. `Schema.Json` describes JSON values by an index signature, which an
 * `interface` does not have; this type looks at the fields.
 */
import type * as Schema from "effect/Schema"

/**
 * `A` itself if it is JSON in all its parts, optional fields and `toJSON` included; otherwise a type with `never` where a
 * function, a symbol, a bigint or `undefined` stands.
 */
export type Jsonable<A> = A extends Schema.Json ? A
  : A extends { readonly toJSON: () => infer J } ? Jsonable<J> extends never ? never : A
  : A extends bigint | symbol | undefined | ((...args: ReadonlyArray<never>) => unknown) ? never
  : A extends object ? { readonly [K in keyof A]: Jsonable<Exclude<A[K], undefined>> | Extract<A[K], undefined> }
  : never

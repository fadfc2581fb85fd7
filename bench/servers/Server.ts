/** The servers that are compared, by name. Each is the program `servers/<name>.ts`. */

export const names = ["effect-bayeux", "faye", "socket.io", "plain-ws", "plain-http", "bare-socket"] as const
export type Name = typeof names[number]

/** Whether a name is one of a server. */
export const isName = (name: string): name is Name => (names as ReadonlyArray<string>).includes(name)

/** What a server stands for in the table. */
export const columns = ["effect-bayeux", "faye", "socket.io", "plain", "limit"] as const
export type Column = typeof columns[number]

/** The column of a server. */
export const columnOf = (name: Name): Column => {
  switch (name) {
    case "plain-ws":
    case "plain-http":
      return "plain"
    case "bare-socket":
      return "limit"
    case "effect-bayeux":
    case "faye":
    case "socket.io":
      return name
  }
}

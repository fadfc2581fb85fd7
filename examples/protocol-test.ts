import { Console, Effect } from "effect"
import { ClientId, Machine, Message, Settings, State } from "effect-bayeux/core"

// The machine is a function: a test needs no server, no clock and no sleeping.
const connection = { id: 1, kind: "socket", local: false } as const
const handshake = Message.decode(
  { channel: "/meta/handshake", version: "1.0", supportedConnectionTypes: ["websocket"] },
  Settings.defaults
)
if (handshake._tag !== "Handshake") throw new Error("not a handshake")

const { outputs } = Machine.reduce(State.make(Settings.defaults, ["websocket"]), {
  _tag: "HandshakeReceived",
  now: 0,
  connection,
  slot: 0,
  message: handshake,
  freshId: ClientId.make("someRandomLettersAndDigits")
})

Effect.runSync(Console.log(outputs.map((output) => output._tag)))

import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Console, Effect, Stream } from "effect"
import { Bayeux, BayeuxServer } from "effect-bayeux"

const Server = BayeuxServer.layer({ port: 8000 })

const program = Effect.gen(function*() {
  const bayeux = yield* Bayeux.Bayeux

  // All messages of a channel or pattern, as a stream. The subscription is there from this line on.
  const greetings = yield* bayeux.subscription("/greetings/*")
  yield* bayeux.publish("/greetings/effect", { text: "hello" })
  yield* bayeux.publish("/greetings/bayeux", { text: "hello, too" })
  yield* Stream.runForEach(Stream.take(greetings, 2), ({ channel, data }) => Console.log(channel, data))

  // Service channels reach the application and nobody else.
  yield* bayeux.subscribe("/service/time").pipe(
    Stream.runForEach(() => bayeux.publish("/time", new Date().toISOString())),
    Effect.forkScoped
  )

  // Sessions, recipients of a message, and the end of a session.
  yield* Console.log(yield* bayeux.subscribers("/greetings/anything"))
  for (const { clientId, local, subscriptions } of yield* bayeux.sessions) {
    yield* Console.log(local ? "the application" : "a client", "has subscribed to", subscriptions)
    if (!local) yield* bayeux.disconnect(clientId, "the example is over")
  }
})

program.pipe(Effect.scoped, Effect.provide(Server), NodeRuntime.runMain())

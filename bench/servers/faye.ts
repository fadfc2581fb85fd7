/** Faye with its memory engine. */
import faye from "faye"
import { createServer } from "node:http"
import { listen } from "./announce.ts"

const server = createServer()
new faye.NodeAdapter({ mount: "/bayeux", timeout: 45 }).attach(server)
listen(server)

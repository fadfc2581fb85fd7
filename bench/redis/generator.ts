/** Clients with sockets, in a process of their own. */
import { dialect } from "../dialects/BayeuxWebSocket.ts"
import { serve } from "./part.ts"

serve(() => dialect)

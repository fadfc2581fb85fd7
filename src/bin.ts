#!/usr/bin/env node
/** The command. It keeps compiled code on disk, which spares its next starts a good part of their time, and then begins. */
import { enableCompileCache } from "node:module"

enableCompileCache()
await import("./command/main.ts")

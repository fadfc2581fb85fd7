import { defineConfig } from "vitest/config"

/**
 * Files that mostly wait: for processes, browsers, proxies and the clocks of real clients. Several of them run at once.
 * All others work, or look at the clock closely: those run two at a time, before these.
 */
const waiting = [
  "test/**/*.{rounds,redis,browser}.test.ts",
  "test/{command,interop,page,proxies}/**/*.test.ts",
  "test/engine/redis/{away,clients,model.property,processes}.test.ts",
  "test/{bin,bin.recorder,examples,halt}.test.ts",
  "test/transport/{Cuts,Listening,Silence,BadInput.http,BadInput.messages,BadInput.property,BadInput.sockets}.test.ts"
]

const all = "test/**/*.test.ts"

export default defineConfig({
  test: {
    environment: "node",
    globalSetup: ["./test/globalSetup.ts"],
    // A process per file.
    pool: "forks",
    // Longer than whatever a test waits for (`patience`), so that it is told what it has waited for in vain.
    testTimeout: 240_000,
    hookTimeout: 120_000,
    coverage: { provider: "v8", include: ["src/**/*.ts"], reporter: ["text", "html"] },
    projects: [
      {
        extends: true,
        test: { name: "working", include: [all], exclude: waiting, maxWorkers: 2, sequence: { groupOrder: 1 } }
      },
      {
        extends: true,
        test: { name: "waiting", include: waiting, maxWorkers: 4, sequence: { groupOrder: 2 } }
      }
    ]
  }
})

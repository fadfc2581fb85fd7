/**
 * The frame of a suite whose clients live in pages: one Chromium for the file, or the suite skipped with the reason in
 * its name; and the scenario that only a browser allows, in which the network is asked how messages travelled.
 */
import { afterAll, assert, beforeAll, describe, inject, it } from "vitest"
import { type Browsers, openPage, type PageClient, type PageOptions, startBrowsers } from "../support/page.ts"
import { scenarios, type Setup, World } from "./scenarios.ts"

export type OpenPage = (options: PageOptions) => Promise<PageClient>

export const inChromium = (name: string, body: (open: OpenPage) => void): void => {
  const chromium = inject("chromium")
  if (chromium === "") console.warn(`${name}: skipped, because no Chromium was found`)
  describe.skipIf(chromium === "")(chromium === "" ? `${name} (skipped: no Chromium was found)` : name, () => {
    let browsers: Browsers | undefined
    beforeAll(async () => {
      browsers = await startBrowsers(chromium)
    })
    afterAll(() => browsers?.stop())
    body((options) => {
      if (browsers === undefined) throw new Error("Chromium did not start")
      return openPage(browsers, options)
    })
  })
}

export interface Carried {
  /** How the browser carries what the client sends: a connection type, as it is recognised on the network. */
  readonly by: string
  /** Whether deliveries come through an EventSource. */
  readonly eventSource?: boolean
}

/** All the scenarios, and that the transport is the one it says it is. */
export const pageScenarios = (name: string, setup: Setup<PageClient>, { by, eventSource = false }: Carried): void => {
  scenarios(name, setup)
  it.concurrent(`${name}, that is how messages travel`, () =>
    World.run(setup, {}, async (world) => {
      const client = await world.client()
      assert.strictEqual(await client.subscribe("/here"), "accepted")
      assert.strictEqual(await client.publish("/here", 1), "accepted")
      const { delivered } = await client.transcript({ heard: "/here" })
      assert.deepEqual(delivered.map(({ data }) => data), [1])
      assert.strictEqual(await client.transport(), setup.transport)
      assert.deepEqual(client.traffic.carriers("/meta/subscribe"), [by])
      assert.deepEqual(client.traffic.carriers("/here"), [by])
      const address = `${world.server.url}/${await client.clientId()}`
      assert.deepEqual(client.traffic.eventSources(), eventSource ? [address] : [])
    }))
}

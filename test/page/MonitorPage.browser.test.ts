/** The monitor page in a real browser, also without a mouse. */
import { afterAll, afterEach, assert, beforeAll, describe, inject, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { Bayeux } from "../../src/index.ts"
import { servePage } from "../monitor/support.ts"
import { launchChromium } from "../support/chromium.ts"
import {
  atEnd,
  begin,
  beginSocket,
  post,
  releaseAll,
  type Server,
  stopwatch,
  until,
  within
} from "../transport/support.ts"

const chromium = inject("chromium")
if (chromium === "") console.warn("The monitor page: skipped, because no Chromium was found")

describe.skipIf(chromium === "")("the monitor page in Chromium", () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium(chromium)
  })
  afterEach(releaseAll)
  afterAll(() => browser.close())

  /** Messages on the console of the page; there must be none. */
  let complaints: Array<string> = []

  const open = async (url: string, options: BrowserContextOptions = {}): Promise<Page> => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
    atEnd(() => context.close())
    const page = await context.newPage()
    complaints = []
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()))
    page.on("pageerror", (error) => complaints.push(String(error)))
    page.setDefaultTimeout(10_000)
    await page.goto(url)
    return page
  }

  const isLive = (page: Page) => page.getByText("live", { exact: true }).waitFor()

  /** The cells of a table's rows. */
  const rows = (page: Page, table: string) =>
    page.locator(`#${table} tbody tr`).evaluateAll((rows) =>
      rows.map((row) => [...row.children].map((cell) => cell.textContent ?? ""))
    )

  const waitForRow = (page: Page, table: string, is: (cells: ReadonlyArray<string>) => boolean) =>
    until(`a row of ${table}`, async () => (await rows(page, table)).find(is))

  /** Number of coloured points of a chart. Code for the page is text, because these files have no types of the DOM. */
  const ink = (page: Page, at: number): Promise<number> =>
    page.evaluate(`(() => {
      const canvas = document.querySelectorAll("#charts canvas")[${at}]
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
      let count = 0
      for (let i = 0; i < data.length; i += 4) {
        const [red, green, blue, alpha] = data.subarray(i, i + 4)
        if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) count++
      }
      return count
    })()`)

  const timeline = async (server: Server) => {
    await begin(server, ["/a", "/rooms/**"])
    await beginSocket(server, "/rooms/**")
    await server.publish("/rooms/one", { text: "hello" })
  }

  it("shows counts and charts, and lists channels, sessions and events", async () => {
    const server = await servePage()
    const page = await open(server.page)
    await isLive(page)
    await timeline(server)
    await until("the counts", async () => {
      const [sessions, subscriptions] = await page.locator("#charts output").allTextContents()
      return sessions === "2" && subscriptions === "3"
    })
    await waitForRow(page, "channels", ([channel, subscribers]) => channel === "/rooms/**" && subscribers === "2")
    await waitForRow(page, "sessions", ([, connected]) => connected === "websocket")
    await waitForRow(
      page,
      "events",
      ([, kind, , channel, what]) => kind === "Publish" && channel === "/rooms/one" && what === "object, 1 field"
    )
    await until("lines in the charts", async () => (await ink(page, 0)) > 5 && (await ink(page, 1)) > 5)
    assert.deepStrictEqual(complaints, [])
    for (const { clientId } of await server.sessions()) assert.notInclude(await page.content(), clientId)
  })

  it("filters the events, keeps the filter in the address, and follows links from a channel", async () => {
    const server = await servePage()
    const page = await open(server.page)
    await isLive(page)
    await page.getByRole("checkbox", { name: "Publish" }).check()
    await until("the address", () => page.url().endsWith("#/?kind=Publish"))
    await isLive(page)
    await timeline(server)
    await waitForRow(page, "events", ([, kind]) => kind === "Publish")
    assert.deepStrictEqual((await rows(page, "events")).map(([, kind]) => kind), ["Publish"])
    await page.getByRole("button", { name: "Show all" }).click()
    await page.locator("#channels").getByRole("link", { name: "/a" }).click()
    await until("the filter", async () => await page.getByLabel("Channel", { exact: true }).inputValue() === "/a")
    await until("the new feed", async () => (await rows(page, "events")).length === 0)
    await page.goBack()
    await until("no filter", async () => await page.getByLabel("Channel", { exact: true }).inputValue() === "")
  })

  it("pauses, and catches up", async () => {
    const server = await servePage()
    const page = await open(server.page)
    await isLive(page)
    await page.getByRole("button", { name: "Pause" }).click()
    await timeline(server)
    await page.getByText("Held: 6 more.").waitFor()
    assert.deepStrictEqual(await rows(page, "events"), [])
    await page.getByRole("button", { name: "Pause" }).click()
    await until("what was held", async () => (await rows(page, "events")).length === 6)
  })

  it("shows a session, and ends it when that is confirmed", async () => {
    const server = await servePage()
    const { socket } = await beginSocket(server, ["/a", "/b"])
    const page = await open(server.page)
    await page.locator("#sessions tbody a").click()
    await page.getByText("Connected by websocket.").waitFor()
    assert.deepStrictEqual(await page.locator("#subscriptions li").allTextContents(), ["/a", "/b"])

    await page.getByRole("button", { name: "End this session…" }).click()
    await page.getByRole("button", { name: "Cancel" }).click()
    assert.strictEqual((await server.sessions()).length, 1)

    await page.getByRole("button", { name: "End this session…" }).click()
    await page.getByRole("dialog").getByRole("textbox").fill("it is too loud")
    await page.keyboard.press("Enter")
    await page.getByText(/Ended at .*: Kicked, it is too loud\./).waitFor()
    await socket.message("to be told", ({ advice }) => advice?.reconnect === "none")
    await waitForRow(page, "events", ([, kind, , , why]) => kind === "Disconnect" && why === "Kicked it is too loud")
    assert.isTrue(await page.getByRole("button", { name: "End this session…" }).isDisabled())
    assert.deepStrictEqual(complaints, [])
  })

  it("keeps up with 5,000 events a second: it shows a sample, counts all, and stays usable", async () => {
    const server = await servePage()
    const page = await open(server.page)
    await isLive(page)
    const seconds = 3
    const publish = server.run(Effect.gen(function*() {
      const bayeux = yield* Bayeux.Bayeux
      for (let n = 0; n < 20 * seconds; n++) {
        for (let i = 0; i < 250; i++) yield* bayeux.publish(`/load/${i % 10}`, { n })
        yield* Effect.sleep("50 millis")
      }
    }))
    await page.getByText(/Sampled: showing \d+ of [\d,]{5}/).waitFor()
    const elapsed = stopwatch()
    await page.getByRole("button", { name: "Pause" }).click()
    await page.evaluate("new Promise((resolve) => requestAnimationFrame(resolve))")
    assert.isBelow(elapsed(), 1_500)
    await begin(server, "/rare")
    await page.getByRole("button", { name: "Pause" }).click()
    await waitForRow(page, "events", ([, kind, , channel]) => kind === "Subscribe" && channel === "/rare")
    await within("the messages", publish)
    await page.getByText(`${(5_000 * seconds).toLocaleString("en")} messages since the start`).waitFor()
    assert.isAtMost((await rows(page, "events")).length, 200)
    assert.deepStrictEqual(complaints, [])
  })

  it("reports a lost connection, and continues with the next server", async () => {
    const server = await servePage()
    await begin(server, "/a")
    const page = await open(server.page)
    await isLive(page)
    await server.stop()
    await page.getByText("connection lost, trying again").waitFor()
    const next = await servePage({ node: { port: server.port } })
    await isLive(page)
    await begin(next, ["/b", "/c", "/d"])
    await waitForRow(page, "channels", ([channel]) => channel === "/d")
    assert.strictEqual(await page.locator("#charts output").first().textContent(), "1")
    assert.notInclude((await rows(page, "channels")).flat(), "/a")
  })

  it("requires the token, and nothing else", async () => {
    const token = "correct horse battery staple"
    const server = await servePage({ page: { token: Redacted.make(token) } })
    const page = await open(server.page)
    await page.getByLabel("Token").fill("wrong")
    await page.getByRole("button", { name: "Log in" }).click()
    await page.getByText("The token is wrong.").waitFor()
    await page.getByLabel("Token").fill(token)
    await page.keyboard.press("Enter")
    await isLive(page)
    assert.strictEqual(await page.evaluate("document.cookie"), "", "no script can read it")
    await beginSocket(server, "/a")
    await page.locator("#sessions tbody a").click()
    await page.getByRole("button", { name: "End this session…" }).click()
    await page.getByRole("button", { name: "End session", exact: true }).click()
    await page.getByText(/Ended at .*: Kicked/).waitFor()
    await page.getByRole("button", { name: "Log out" }).click()
    await page.getByLabel("Token").waitFor()
  })

  it("fits a phone, in the dark", async () => {
    const server = await servePage()
    await timeline(server)
    await post(server, [{ channel: `/a/${"long".repeat(40)}`, data: 1 }])
    const page = await open(server.page, {
      viewport: { width: 375, height: 812 },
      isMobile: true,
      hasTouch: true,
      colorScheme: "dark"
    })
    await isLive(page)
    await waitForRow(page, "sessions", () => true)
    const fits = () => page.evaluate<boolean>("document.documentElement.scrollWidth <= innerWidth")
    assert.isTrue(await fits())
    const background = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor")
    assert.strictEqual(background, "rgb(18, 19, 20)")
    await page.locator("#sessions tbody a").first().tap()
    await page.locator("#session-state", { hasText: /onnected/ }).waitFor()
    assert.isTrue(await fits())
  })

  it("can be read and used without a mouse", async () => {
    const server = await servePage()
    await timeline(server)
    const page = await open(server.page)
    await isLive(page)
    await waitForRow(page, "sessions", () => true)
    const focused = () =>
      page.evaluate<string>(`(({ ariaLabel, id, offsetWidth, textContent }) =>
        (textContent.trim() || ariaLabel || id) + (offsetWidth === 0 ? " (unseen)" : ""))(document.activeElement)`)
    await page.keyboard.press("Tab")
    assert.strictEqual(await focused(), "Skip to the content")
    await page.keyboard.press("Enter")
    const seen: Array<string> = []
    while (seen.length < 60 && seen.at(-1) !== "Show all") {
      await page.keyboard.press("Tab")
      seen.push(await focused())
    }
    assert.includeMembers(seen, ["The last minute as a table", "Subscribers", "/rooms/**", "Pause", "Show all"])
    assert.isFalse(seen.some((name) => name.endsWith("(unseen)")), seen.join())

    await page.locator("#minute summary").press("Enter")
    await until("the numbers behind the charts", async () => (await page.locator("#minute tbody tr").count()) > 0)
    const described = page.getByRole("img", { name: /^Sessions: 2 now; over 5 min between 0 and 2|^Sessions/ })
    assert.strictEqual(await described.count(), 1)
    await page.locator("#sessions tbody a").first().press("Enter")
    await until("the session's title to have the focus", async () => (await focused()).startsWith("Session "))
    await page.locator("#session-state", { hasText: /onnected/ }).waitFor()
    await page.getByRole("button", { name: "End this session…" }).press("Enter")
    await page.keyboard.press("Escape")
    assert.strictEqual(await focused(), "End this session…")
    assert.strictEqual((await server.sessions()).length, 2)
  })
})

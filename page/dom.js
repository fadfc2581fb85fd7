/** What all parts of the page need: elements, tables that change in place, and how numbers and times are written. */

/**
 * The element with that id, which the page has.
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type
 * @returns {E}
 */
export const byId = (id, type) => {
  const element = document.getElementById(id)
  if (element instanceof type) return element
  throw new Error(`The page has no ${type.name} "${id}"`)
}

/**
 * The first element below another that a selector finds, which is there.
 * @template {Element} E
 * @param {ParentNode} within
 * @param {string} selector
 * @param {new () => E} type
 * @returns {E}
 */
export const find = (within, selector, type) => {
  const element = within.querySelector(selector)
  if (element instanceof type) return element
  throw new Error(`The page has no ${type.name} at "${selector}"`)
}

/**
 * Makes an element. Text stays text: nothing that comes from the server is ever read as HTML.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {{ readonly [attribute: string]: string }} attributes
 * @param {ReadonlyArray<Node | string>} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...children)
  return element
}

/**
 * Sets a text if it is another one, so that what has not changed is not read out again.
 * @param {Element} element
 * @param {string} text
 */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Whether somebody is about to use something in there: it should not move away from under a finger or the focus.
 * @param {Element} element
 */
export const isInUse = (element) => element.matches(":focus-within") || (hovers.matches && element.matches(":hover"))

const hovers = matchMedia("(hover: hover)")

/**
 * Keeps the rows of a table body: rows that stay are changed in place, and none is moved while the table is in use.
 * @template R
 * @param {HTMLTableSectionElement} body
 * @param {(row: R) => string} key
 * @param {(row: R) => ReadonlyArray<HTMLElement>} cells
 * @param {(row: R, cells: ReadonlyArray<Element>) => void} update
 */
export const table = (body, key, cells, update) => {
  /** @type {Map<string, HTMLTableRowElement>} */
  const known = new Map()
  /** @param {ReadonlyArray<R>} rows */
  return (rows) => {
    const keys = new Set(rows.map(key))
    for (const [name, element] of known) {
      if (keys.has(name) || element.matches(":focus-within")) continue
      element.remove()
      known.delete(name)
    }
    const mayMove = !isInUse(body)
    rows.forEach((row, at) => {
      const name = key(row)
      const element = known.get(name) ?? make("tr", {}, ...cells(row))
      update(row, [...element.children])
      if (!known.has(name)) body.append(element)
      known.set(name, element)
      if (mayMove && body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null)
    })
  }
}

const whole = new Intl.NumberFormat("en")
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })

/** @param {number} count */
export const number = (count) => whole.format(count)

/** @param {number} perSecond */
export const rate = (perSecond) => (perSecond < 10 ? tenths : whole).format(perSecond)

/**
 * @param {number} count
 * @param {string} one
 */
export const counted = (count, one) => `${number(count)} ${one}${count === 1 ? "" : "s"}`

/** @param {number} at in milliseconds */
export const clock = (at) => new Date(at).toLocaleTimeString("en-GB")

/** @param {number} at in milliseconds */
export const exactClock = (at) => `${clock(at)}.${String(at % 1000).padStart(3, "0")}`

/** @param {number} milliseconds */
export const duration = (milliseconds) => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  const hours = Math.floor(seconds / 3600)
  return hours < 48 ? `${hours} h ${Math.floor(seconds % 3600 / 60)} min` : `${Math.floor(hours / 24)} d`
}

/**
 * Where the page shows a session.
 * @param {string} name
 */
export const sessionLink = (name) => make("a", { href: `#/sessions/${name}` }, make("code", {}, name))

/**
 * Where the page shows the events of a channel.
 * @param {string} channel
 */
export const channelLink = (channel) =>
  make("a", { href: `#/?channel=${encodeURIComponent(channel)}`, title: `The events of ${channel}` }, channel)

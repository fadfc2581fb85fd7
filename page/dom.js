/** Functions for all parts of the page: elements, tables that change in place, formats of numbers and times. */

/**
 * Returns the element with that id. It must exist.
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
 * Returns the first element within another that matches a selector. It must exist.
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
 * Creates an element. Text stays text: nothing that comes from the server is parsed as HTML.
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
 * Sets a text if it has changed, so that screen readers do not repeat it.
 * @param {Element} element
 * @param {string} text
 */
export const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/**
 * Whether the pointer or the focus is in an element. Its contents should not move then.
 * @param {Element} element
 */
export const isInUse = (element) => element.matches(":focus-within") || (hovers.matches && element.matches(":hover"))

const hovers = matchMedia("(hover: hover)")

/**
 * Creates a function that updates the rows of a table body in place. No row moves while the table is in use.
 * @template R
 * @param {HTMLTableSectionElement} body
 * @param {(row: R) => string} key
 * @param {(row: R) => ReadonlyArray<HTMLElement>} cells
 * @param {(row: R, cells: ReadonlyArray<Element>) => void} update
 */
export const table = (body, key, cells, update) => {
  /** @type {Map<string, HTMLTableRowElement>} */
  const elements = new Map()
  /** @param {ReadonlyArray<R>} rows */
  return (rows) => {
    const keys = new Set(rows.map(key))
    for (const [name, element] of elements) {
      if (keys.has(name) || element.matches(":focus-within")) continue
      element.remove()
      elements.delete(name)
    }
    const mayMove = !isInUse(body)
    rows.forEach((row, at) => {
      const name = key(row)
      const element = elements.get(name) ?? make("tr", {}, ...cells(row))
      update(row, [...element.children])
      if (!elements.has(name)) body.append(element)
      elements.set(name, element)
      if (mayMove && body.children[at] !== element) body.insertBefore(element, body.children[at] ?? null)
    })
  }
}

const wholeFormat = new Intl.NumberFormat("en")
const tenthsFormat = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })

/** @param {number} count */
export const number = (count) => wholeFormat.format(count)

/** @param {number} perSecond */
export const rate = (perSecond) => (perSecond < 10 ? tenthsFormat : wholeFormat).format(perSecond)

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
 * Creates a link to the page of a session.
 * @param {string} name
 */
export const sessionLink = (name) => make("a", { href: `#/sessions/${name}` }, make("code", {}, name))

/**
 * Creates a link to the events of a channel.
 * @param {string} channel
 */
export const channelLink = (channel) =>
  make("a", { href: `#/?channel=${encodeURIComponent(channel)}`, title: `The events of ${channel}` }, channel)

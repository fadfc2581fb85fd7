/**
 * A document with parts that are made from results: each stands between `<!-- begin name -->` and `<!-- end name -->`.
 */

/** Puts the parts in the place of those before. A part that the document has no place for is our own mistake. */
export const fill = (document: string, parts: { readonly [name: string]: string }): string =>
  Object.entries(parts).reduce((text, [name, part]) => {
    const begin = `<!-- begin ${name} -->`
    const from = text.indexOf(begin)
    const to = text.indexOf(`<!-- end ${name} -->`, from)
    if (from === -1 || to === -1) throw new Error(`The document has no ${begin} … <!-- end ${name} -->`)
    return `${text.slice(0, from + begin.length)}\n\n${part}\n\n${text.slice(to)}`
  }, document)

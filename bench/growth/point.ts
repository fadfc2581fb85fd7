/** One work at one size, in a process of its own: sends the costs to the program that started it. */
import { works } from "./index.ts"

const [name, size, warmUp, measured] = process.argv.slice(2)
const work = works.find((known) => known.name === name)
if (work === undefined) throw new Error(`There is no work ${name}`)
process.send?.(work.measure(Number(size), { warmUp: Number(warmUp), measured: Number(measured) }))

/**
 * Files of a recording: two, of which the older one has `.1` at the end of its name. Lines are put into memory and written
 * from there, some ten times a second and all at once; nobody waits for it.
 *
 * Lines that cannot be written are lost, and reported. Each write has its place in the file, so a partial one is written
 * over, and a file ends with a whole line whatever has happened to the process.
 */
import { writeSync } from "node:fs"
import { type FileHandle, open, rename } from "node:fs/promises"
import { crc32 } from "node:zlib"

/** Number of lines under one checksum, at most. */
const linesOfBlock = 32

const chunkLength = 256 * 1_024

/** Bytes of the line of a checksum, at most. */
const checkLength = 32

/** Task of the writer: bytes whose first line is of a step, or to begin the next file, or this one anew. */
type Task = { readonly bytes: Buffer; readonly step: number } | "Next" | "Anew"

/** Loss of all lines from a step on. */
export interface Loss {
  readonly step: number
  readonly reason: string
}

const isMissing = (error: unknown): boolean => error instanceof Error && "code" in error && error.code === "ENOENT"

const ignoreMissing = (error: unknown): void => {
  if (!isMissing(error)) throw error
}

/** Pair of files. */
export class RecordingFile {
  readonly #file: string
  #handle: FileHandle | undefined
  /** Number of bytes of the file that are written. */
  #written = 0
  #tasks: Array<Task> = []
  #waiting = 0
  #loss: Loss | undefined

  constructor(file: string) {
    this.#file = file
  }

  /** Begins the file. `Next` keeps the last one under the other name. Throws the error of the system. */
  async open(how: "Next" | "Anew" = "Next"): Promise<void> {
    await this.#handle?.close()
    this.#handle = undefined
    this.#written = 0
    if (how === "Next") await rename(this.#file, `${this.#file}.1`).catch(ignoreMissing)
    this.#handle = await open(this.#file, "w", 0o600)
  }

  // -------------------------------------------------------------------------------------------------------------------
  // in

  #chunk = Buffer.allocUnsafe(chunkLength)
  /** Offsets of the first byte to be written, of the last block, and of the free room in the chunk. */
  #from = 0
  #block = 0
  #at = 0
  #lines = 0
  #step = 0
  /** Number of bytes of the file, written or not, without those in the chunk. */
  #size = 0

  /** Number of bytes of the file with all that is still to be written. */
  get size(): number {
    return this.#size + (this.#at - this.#from)
  }

  /** Number of bytes that are still to be written. */
  get waiting(): number {
    return this.#waiting + (this.#at - this.#from)
  }

  /**
   * Begins a line of so many bytes at most, about a step. The pieces of the line go straight to their places, which takes half
   * the time of putting a text together.
   */
  begin(most: number, step: number): void {
    const needed = most + 1 + checkLength
    if (needed > this.#chunk.length - this.#at) this.#change(needed)
    if (this.#at === this.#from) this.#step = step
  }

  /** Ends the line. */
  end(): void {
    this.#chunk[this.#at++] = 10
    this.#lines += 1
    if (this.#lines === linesOfBlock) this.#check()
  }

  /** Writes any text. */
  text(text: string): void {
    this.#at += this.#chunk.write(text, this.#at)
  }

  /** Writes a short text of plain characters. */
  ascii(text: string): void {
    const chunk = this.#chunk
    let at = this.#at
    for (let i = 0; i < text.length; i++) chunk[at++] = text.charCodeAt(i)
    this.#at = at
  }

  /** Writes a whole number. */
  number(value: number): void {
    const chunk = this.#chunk
    if (value !== (value | 0)) return this.ascii(String(value))
    if (value < 0) chunk[this.#at++] = 45
    this.#digits(Math.abs(value))
  }

  /** Writes a comma and a whole number. */
  next(value: number): void {
    this.#chunk[this.#at++] = 44
    this.number(value)
  }

  #digits(value: number): void {
    const chunk = this.#chunk
    let length = 1
    for (let rest = value; rest >= 10; rest = Math.trunc(rest / 10)) length += 1
    this.#at += length
    let at = this.#at
    let rest = value
    do {
      const tens = Math.trunc(rest / 10)
      chunk[--at] = 48 + (rest - tens * 10)
      rest = tens
    } while (rest > 0)
  }

  #check(): void {
    if (this.#lines === 0) return
    const sum = crc32(this.#chunk.subarray(this.#block, this.#at))
    this.#at += this.#chunk.write(`[${this.#lines},"Check",${sum}]\n`, this.#at)
    this.#block = this.#at
    this.#lines = 0
  }

  /** Ends the block, and queues all that is in the chunk. */
  #seal(): void {
    this.#check()
    if (this.#at === this.#from) return
    const bytes = this.#chunk.subarray(this.#from, this.#at)
    this.#tasks.push({ bytes, step: this.#step })
    this.#waiting += bytes.length
    this.#size += bytes.length
    this.#from = this.#at
  }

  #change(least: number): void {
    this.#seal()
    this.#chunk = Buffer.allocUnsafe(Math.max(chunkLength, least))
    this.#from = this.#block = this.#at = 0
  }

  /** Lets what follows go to the next file, or replace all that is in this one. */
  turnOver(how: "Next" | "Anew"): void {
    this.#seal()
    this.#tasks.push(how)
    this.#size = 0
  }

  // -------------------------------------------------------------------------------------------------------------------
  // out

  #flushed = Promise.resolve()

  /** Writes everything that is queued, one call after the other. Never fails: see {@link takeLoss}. */
  flush(): Promise<void> {
    return this.#flushed = this.#flushed.then(() => this.#writeAll())
  }

  async #writeAll(): Promise<void> {
    this.#seal()
    try {
      for (let task = this.#tasks[0]; task !== undefined; task = this.#tasks[0]) {
        await this.#do(task)
        this.#tasks.shift()
      }
    } catch (error) {
      await this.#lose(error)
    }
  }

  async #do(task: Task): Promise<void> {
    if (typeof task === "string") return this.open(task)
    if (this.#handle === undefined) await this.open()
    const { bytes } = task
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#handle?.write(bytes, at, bytes.length - at, this.#written + at) ?? fail()
      at += bytesWritten
    }
    this.#written += bytes.length
    this.#waiting -= bytes.length
  }

  /** Gives up everything that is queued, and takes back partial writes. */
  async #lose(error: unknown): Promise<void> {
    this.#seal()
    const first = this.#tasks.find((task) => typeof task !== "string")
    this.#loss ??= { step: first?.step ?? this.#step, reason: error instanceof Error ? error.message : String(error) }
    this.#tasks = []
    this.#waiting = 0
    this.#size = this.#written
    await this.#handle?.truncate(this.#written).catch(() => undefined)
  }

  /** Returns the loss since the last call, if any. */
  takeLoss(): Loss | undefined {
    const loss = this.#loss
    this.#loss = undefined
    return loss
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#handle?.close().catch(() => undefined)
    this.#handle = undefined
  }

  /** Writes what is queued for this file synchronously, because the process ends. */
  writeNow(): void {
    if (this.#handle === undefined) return
    this.#seal()
    let at = this.#written
    for (const task of this.#tasks) {
      if (typeof task === "string") return
      at += writeSync(this.#handle.fd, task.bytes, 0, task.bytes.length, at)
    }
  }
}

const fail = (): never => {
  throw new Error("the file is closed")
}

/** Programs that the tests run and do not bring along: where they are. */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The program's path: what the environment variable says if that is one, else the first that the system has. */
export const findExecutable = (variable: string, names: ReadonlyArray<string>): string | undefined => {
  const folders = ["/usr/bin", "/usr/sbin", ...(process.env["PATH"] ?? "").split(delimiter)]
  const named = process.env[variable] ?? ""
  const candidates = [named, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))]
  return candidates.find((path) => path !== "" && isExecutable(path))
}

/** Publishing over HTTP: messages are gathered into requests, of which one is on its way at a time. */
import * as HttpClient from "./HttpClient.ts"
import * as Template from "./Template.ts"

/** `send` takes a message, `answered` is to be called when a request has been answered. */
export const batches = (client: HttpClient.HttpClient, path: string) => {
  let waiting: Array<Buffer> = []
  let isBusy = false
  const flush = () => {
    if (isBusy || waiting.length === 0) return
    isBusy = true
    const body = `[${waiting.join(",")}]`
    waiting = []
    client.send(HttpClient.post(path, body))
  }
  const answered = () => {
    isBusy = false
    flush()
  }
  const send = Template.gather((messages) => {
    waiting.push(...messages)
    flush()
  })
  return { send, answered }
}

/** What the servers without a protocol answer: the text of a reply to a publish. */
export const answer = Buffer.from(JSON.stringify([{ channel: "/answer", successful: true, id: "1" }]))

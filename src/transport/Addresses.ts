/**
 * Addresses of clients behind proxies. A proxy names the client in `X-Forwarded-For` or `Forwarded` (RFC 7239), but so
 * can anybody: the header is read from the right, and only as far as the peers are proxies that the server trusts.
 *
 * Without trusted proxies the address is the peer's, whatever a header says.
 */
import * as Schema from "effect/Schema"
import type { IncomingMessage } from "node:http"
import { BlockList, isIP } from "node:net"

const isProxy = (text: string): boolean => {
  if (text === "loopback" || text === "unix") return true
  const [address = "", prefix] = text.split("/")
  const version = isIP(address)
  return version !== 0 &&
    (prefix === undefined || (/^\d+$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128)))
}

const Proxy = Schema.String.check(
  Schema.makeFilter((text) =>
    isProxy(text) ? undefined : "a proxy: an address (10.0.0.1), a network (10.0.0.0/8), \"loopback\" or \"unix\""
  )
)

/** Proxies whose word is taken: addresses, networks, `"loopback"` (this machine), `"unix"` (peers of a Unix socket). */
export const TrustedProxies = Schema.Array(Proxy)
/** Proxies whose word is taken. */
export type TrustedProxies = typeof TrustedProxies.Type

const family = (address: string): "ipv4" | "ipv6" => isIP(address) === 4 ? "ipv4" : "ipv6"

const listOf = (proxies: TrustedProxies): BlockList => {
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address = "", prefix] = proxy.split("/")
    if (proxy === "loopback") {
      list.addSubnet("127.0.0.0", 8, "ipv4")
      list.addAddress("::1", "ipv6")
    } else if (prefix !== undefined) list.addSubnet(address, Number(prefix), family(address))
    else if (proxy !== "unix") list.addAddress(address, family(address))
  }
  return list
}

/** An address without its port, its brackets and the prefix of IPv4 in IPv6; nothing if it is none. */
const parse = (text: string): string | undefined => {
  const bare = text.trim().replace(/^"|"$/g, "").replace(/^\[([^\]]*)\](?::\d+)?$/, "$1").replace(
    /^(\d+\.\d+\.\d+\.\d+):\d+$/,
    "$1"
  )
  const address = bare.replace(/^::ffff:(?=\d+\.)/i, "")
  return isIP(address) === 0 ? undefined : address
}

/** Longest header that is read, in characters. */
const longestHeader = 2_048

/** Clients and proxies that the headers name, the nearest last. One header is read: `Forwarded` says more. */
const named = ({ headers }: IncomingMessage): ReadonlyArray<string | undefined> => {
  const { forwarded, "x-forwarded-for": list } = headers
  if (forwarded !== undefined) {
    return forwarded.slice(-longestHeader).split(",").map((element) =>
      parse(/(?:^|;)\s*for=("[^"]*"|[^;]*)/i.exec(element)?.[1] ?? "")
    )
  }
  const text = Array.isArray(list) ? list.join() : list ?? ""
  return text === "" ? [] : text.slice(-longestHeader).split(",").map(parse)
}

/** Gives a function that finds the address of a request's client; undefined if nobody trustworthy has named one. */
export const make = (proxies: TrustedProxies): (request: IncomingMessage) => string | undefined => {
  const trusted = listOf(proxies)
  const isTrusted = (address: string | undefined) =>
    address === undefined ? proxies.includes("unix") : trusted.check(address, family(address))
  return (request) => {
    const peer = request.socket.remoteAddress
    let address = peer === undefined ? undefined : parse(peer)
    for (const next of named(request).toReversed()) {
      if (!isTrusted(address) || next === undefined) break
      address = next
    }
    return address
  }
}

/** Whether a request says that it came through a proxy. */
export const isForwarded = ({ headers }: IncomingMessage): boolean =>
  headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined

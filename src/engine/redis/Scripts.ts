/**
 * Lua scripts: everything that changes the store. Each is atomic, and each change that it carries out becomes exactly one
 * entry of the log, so keys and log cannot differ.
 *
 * All keys have the prefix `{namespace}:`, which is also their hash tag. `docs/redis.md` lists them. A script is called
 * with the log's key and the prefix; the other keys follow from these.
 *
 * Numbers are written with `%.0f`: positions have up to 53 bits, and Lua would round them.
 */
import { lua } from "./LogEntry.ts"

/** A script with its name. */
export interface Script {
  readonly name: string
  readonly text: string
}

const prelude = `
local P = ARGV[1]
local log, pos, nodes, terms, marks, counts, ids =
  KEYS[1], P .. 'pos', P .. 'nodes', P .. 'terms', P .. 'wm', P .. 'cnt', P .. 'ids'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local last = tonumber(redis.call('GET', pos) or '0')

local function text(number) return string.format('%.0f', number) end
local function S(id) return P .. 's:' .. id end
local function U(id) return P .. 'u:' .. id end
local function N(node) return P .. 'n:' .. node end
local function O(id) return P .. 'o:' .. id end

-- The next entry's position grows with each entry, and with time.
local function advance() last = math.max(last + 1, now * 4096) end
local function put(entry) redis.call('XADD', log, text(last) .. '-0', 'e', entry) end
local function save() redis.call('SET', pos, text(last)) end

local function count(what, by)
  if redis.call('HINCRBY', counts, what, by) == 0 then redis.call('HDEL', counts, what) end
end

local function positionOf(id, owner)
  return redis.call('HGET', S(id), 'position') or redis.call('HGET', marks, owner) or text(last)
end

-- Gives a session to another owner, from a position on and with what the last one has left of it.
local function claim(stamp, id, former, owner, position, left)
  local first = ${lua.firstQueued("left")}
  local behind = first and text(math.min(tonumber(position), tonumber(first) - 1)) or position
  local generation = redis.call('HINCRBY', S(id), 'generation', 1)
  redis.call('HSET', S(id), 'owner', owner, 'position', behind)
  redis.call('HDEL', S(id), 'wanted')
  redis.call('SREM', N(former), id)
  redis.call('SADD', N(owner), id)
  local about = redis.call('HMGET', S(id), 'acknowledges', 'created', 'unique')
  local fields, subscriptions = redis.call('HGETALL', U(id)), {}
  for i = 1, #fields, 2 do subscriptions[#subscriptions + 1] = ${lua.since("fields[i]", "fields[i + 1]")} end
  local flags = about[1] .. (about[3] and 'u' or '')
  local identity = string.match(redis.call('HGET', ids, id) or '', '%S*$')
  put(stamp .. ${
  lua.adopted(
    "id",
    "owner",
    "generation",
    "position",
    "flags",
    "about[2]",
    "table.concat(subscriptions, ',')",
    "left",
    "identity"
  )
})
end

local function finish(stamp, id, cause)
  local patterns = redis.call('HKEYS', U(id))
  for _, pattern in ipairs(patterns) do count(pattern, -1) end
  local owner, about = redis.call('HGET', S(id), 'owner'), redis.call('HGET', ids, id) or '0 '
  if owner then
    redis.call('SREM', N(owner), id)
    redis.call('DEL', S(id), U(id), O(id))
    redis.call('HDEL', ids, id)
    count('sessions', -1)
  end
  put(stamp .. ${lua.ended("id", "patterns", "about", "cause")})
end
`

/**
 * Carries out a batch of changes of a process, with the arguments of `CommitArguments`. Returns 0 if the process has to
 * join again first, because it has joined over another connection or was taken for dead.
 */
export const commit: Script = {
  name: "commit",
  text: `${prelude}
local node, limit = ARGV[2], tonumber(ARGV[4])
if redis.call('HGET', terms, node) ~= ARGV[3] then return 0 end

local function isMine(id, generation)
  local found = redis.call('HMGET', S(id), 'owner', 'generation')
  return found[1] == node and found[2] == generation
end

local changes = {}

-- Whether a message was published before: a session with unique ids has the marks of its last messages.
local function isRepeated(id, once)
  local slot, mark = string.match(once, '^(%d+) (.*)$')
  if redis.call('HGET', O(id), slot) == mark then return true end
  redis.call('HSET', O(id), slot, mark)
  return false
end

function changes.P(stamp, id, message, once)
  if id ~= '-' then
    local found = redis.call('HMGET', S(id), 'owner', 'unique')
    if not found[1] then return put(stamp .. ${lua.refused("401")}) end
    if found[2] and once ~= '' and isRepeated(id, once) then return put(stamp .. ${lua.repeated("id")}) end
  end
  put(stamp .. ${lua.published("id", "message")})
end

function changes.C(stamp, id, about, created)
  local isLocal, acknowledges, isUnique, identity = string.match(about, '^(.)(.)(.)(.*)$')
  redis.call('HSET', S(id), 'owner', node, 'generation', 1, 'created', created,
    'local', isLocal, 'acknowledges', acknowledges)
  if isUnique == '1' then redis.call('HSET', S(id), 'unique', 1) end
  redis.call('SADD', N(node), id)
  count('sessions', 1)
  if identity ~= '' then redis.call('HSET', ids, id, text(last) .. ' ' .. identity) end
  put(stamp .. ${lua.created("id", "identity")})
end

function changes.S(stamp, id, patterns, forbidden)
  if redis.call('EXISTS', S(id)) == 0 then return put(stamp .. ${lua.refused("401")}) end
  if forbidden ~= '' then return put(stamp .. ${lua.refused("forbidden")}) end
  local added, seen = {}, {}
  for pattern in string.gmatch(patterns, '[^,]+') do
    if not seen[pattern] and redis.call('HEXISTS', U(id), pattern) == 0 then added[#added + 1] = pattern end
    seen[pattern] = true
  end
  if redis.call('HLEN', U(id)) + #added > limit then return put(stamp .. ${lua.refused("limit")}) end
  for _, pattern in ipairs(added) do
    redis.call('HSET', U(id), pattern, text(last))
    count(pattern, 1)
  end
  put(stamp .. ${lua.subscribed("id", "added")})
end

function changes.U(stamp, id, patterns, forbidden)
  if redis.call('EXISTS', S(id)) == 0 then return put(stamp .. ${lua.refused("401")}) end
  if forbidden ~= '' then return put(stamp .. ${lua.refused("forbidden")}) end
  local removed = {}
  for pattern in string.gmatch(patterns, '[^,]+') do
    local from = redis.call('HGET', U(id), pattern)
    if from then
      redis.call('HDEL', U(id), pattern)
      count(pattern, -1)
      removed[#removed + 1] = ${lua.since("pattern", "from")}
    end
  end
  put(stamp .. ${lua.unsubscribed("id", "removed")})
end

-- An end that only the owner may commit has a generation; that of a session that the store has lost has an entry, too.
function changes.E(stamp, id, cause, isLost, generation)
  if generation ~= '' and not isMine(id, generation) then return put(stamp .. ${lua.refused("401")}) end
  if isLost == '' and redis.call('EXISTS', S(id)) == 0 then return put(stamp .. ${lua.refused("401")}) end
  finish(stamp, id, cause)
end

-- A session stays with this process if it is its owner, unless it has lost it (force). Another one is claimed at once if
-- its owner is dead or its client has acknowledged a position; else the owner is asked for it.
function changes.A(stamp, id, acknowledged, force)
  local found = redis.call('HMGET', S(id), 'owner', 'local', 'acknowledges')
  local owner = found[1]
  if not owner or found[2] == '1' then return put(stamp .. ${lua.refused("401")}) end
  if owner == node and force == '' then return put(stamp .. ${lua.owned("id")}) end
  local lease = redis.call('ZSCORE', nodes, owner)
  local isAcknowledged = found[3] == '1' and acknowledged ~= ''
  if lease and tonumber(lease) > now and force == '' and not isAcknowledged then
    redis.call('HSET', S(id), 'wanted', node)
    return put(stamp .. ${lua.wanted("id", "owner")})
  end
  local position = positionOf(id, owner)
  if isAcknowledged then
    position = text(math.min(math.max(tonumber(position), tonumber(acknowledged)), last))
  end
  claim(stamp, id, owner, node, position, '')
end

function changes.Y(stamp, id, position, left, generation)
  if not isMine(id, generation) then return put(stamp .. ${lua.refused("401")}) end
  local wanted = redis.call('HGET', S(id), 'wanted')
  local owner = wanted and redis.call('HEXISTS', terms, wanted) == 1 and wanted or node
  claim(stamp, id, node, owner, position, left)
end

function changes.G(stamp, id, messages)
  if redis.call('EXISTS', S(id)) == 0 then return put(stamp .. ${lua.refused("401")}) end
  put(stamp .. ${lua.givenBack("id", "messages")})
end

for i = 5, #ARGV, 6 do
  advance()
  changes[ARGV[i + 1]](node .. ' ' .. ARGV[i] .. ' ', ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5])
end
save()
return 1
`
}

/**
 * Lets a process join, or join again over a new connection: from then on only changes with the new term are carried out.
 * Returns the position of its `J`, whether the log has the last entry that the process has read, the store's epoch, and
 * the id of the first entry.
 */
export const join: Script = {
  name: "join",
  text: `${prelude}
local node, term, lease, tail, epoch = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local hasTail = #redis.call('XRANGE', log, text(tail) .. '-0', text(tail) .. '-0')
redis.call('SET', P .. 'epoch', epoch, 'NX')
redis.call('HSET', terms, node, term)
-- When all leases have passed the store was away: processes get the time of a lease to join again.
if not redis.call('ZRANGEBYSCORE', nodes, text(now + 1), '+inf', 'LIMIT', 0, 1)[1] then
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', nodes, 1, '+inf')) do
    redis.call('ZADD', nodes, text(now + lease), other)
  end
end
redis.call('ZADD', nodes, text(now + lease), node)
last = math.max(last, tail)
advance()
redis.call('HSETNX', marks, node, text(last))
put(node .. ' 0 ' .. ${lua.joined("term")})
save()
for _, key in ipairs({ log, pos, P .. 'epoch' }) do redis.call('PERSIST', key) end
local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
return { text(last), hasTail, redis.call('GET', P .. 'epoch'), first[1] }
`
}

const keepPositions = (from: number): string => `
redis.call('HSET', marks, node, mark)
for i = ${from}, #ARGV, 3 do
  local found = redis.call('HMGET', S(ARGV[i]), 'owner', 'generation')
  if found[1] == node and found[2] == ARGV[i + 1] then
    if ARGV[i + 2] == '' then redis.call('HDEL', S(ARGV[i]), 'position')
    else redis.call('HSET', S(ARGV[i]), 'position', ARGV[i + 2]) end
  end
end
`

/**
 * Renews the lease of a process, stores positions of its sessions, trims the log, and claims up to 100 sessions of a process
 * whose lease has passed. Returns 0 if the process has to join again, else 1; and 1 if there may be more to claim.
 */
export const beat: Script = {
  name: "beat",
  text: `${prelude}
local node, lease, mark, retention = ARGV[2], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
if redis.call('HGET', terms, node) ~= ARGV[3] then return { 0, 0 } end
redis.call('ZADD', nodes, text(now + lease), node)
${keepPositions(7)}
redis.call('XTRIM', log, 'MINID', '~', text((now - retention) * 4096) .. '-0')
local dead = redis.call('ZRANGEBYSCORE', nodes, '-inf', text(now), 'LIMIT', 0, 1)[1]
if not dead then return { 1, 0 } end
for _, id in ipairs(redis.call('SRANDMEMBER', N(dead), 100)) do
  advance()
  if redis.call('HGET', S(id), 'local') == '1' then finish(node .. ' 0 ', id, '{"_tag":"ProcessLost"}')
  else claim(node .. ' 0 ', id, dead, node, positionOf(id, dead), '') end
end
save()
if redis.call('SCARD', N(dead)) == 0 then
  redis.call('ZREM', nodes, dead)
  redis.call('HDEL', terms, dead)
  redis.call('HDEL', marks, dead)
end
return { 1, 1 }
`
}

/**
 * Lets a process leave: its sessions can be claimed at once. After the last one, the log and what belongs to it expire after
 * the retention.
 */
export const leave: Script = {
  name: "leave",
  text: `${prelude}
local node, mark, retention = ARGV[2], ARGV[4], ARGV[5]
if redis.call('HGET', terms, node) ~= ARGV[3] then return 0 end
${keepPositions(6)}
redis.call('HDEL', terms, node)
if redis.call('SCARD', N(node)) == 0 then
  redis.call('ZREM', nodes, node)
  redis.call('HDEL', marks, node)
else
  redis.call('ZADD', nodes, 0, node)
end
if redis.call('ZCARD', nodes) == 0 then
  for _, key in ipairs({ log, pos, P .. 'epoch' }) do redis.call('PEXPIRE', key, retention) end
end
return 1
`
}

/**
 * Compares the sessions that a process believes to own with the store: for each its generation and patterns, `-` if another
 * process owns it, nil if there is none; then all sessions that the process owns, of clients and of the application.
 */
export const compare: Script = {
  name: "compare",
  text: `${prelude}
local node, found = ARGV[2], {}
for i = 3, #ARGV do
  local owner, generation = unpack(redis.call('HMGET', S(ARGV[i]), 'owner', 'generation'))
  found[#found + 1] = owner == node and generation .. ' ' .. table.concat(redis.call('HKEYS', U(ARGV[i])), ',')
    or owner and '-'
end
local remote, own = {}, {}
for _, id in ipairs(redis.call('SMEMBERS', N(node))) do
  local list = redis.call('HGET', S(id), 'local') == '1' and own or remote
  list[#list + 1] = id
end
return { found, remote, own }
`
}

/** Returns a cursor (`0` at the end) and some sessions with an identity, each as `id position identity patterns`. */
export const identified: Script = {
  name: "identified",
  text: `${prelude}
local cursor, found = unpack(redis.call('HSCAN', ids, ARGV[2], 'COUNT', 500))
local sessions = {}
for i = 1, #found, 2 do
  sessions[#sessions + 1] = found[i] .. ' ' .. found[i + 1] .. ' ' .. table.concat(redis.call('HKEYS', U(found[i])), ',')
end
return { cursor, sessions }
`
}

/**
 * Returns the time of the store, whether the log continues at a position of an epoch (the store is the same, has not gone
 * back, and nothing unread was trimmed), the epoch, and the newest position.
 */
export const look: Script = {
  name: "look",
  text: `${prelude}
local read, epoch = tonumber(ARGV[2]), ARGV[3]
local found = redis.call('GET', P .. 'epoch') or ''
local isThere = read == last or #redis.call('XRANGE', log, text(read) .. '-0', text(read) .. '-0') == 1
return { text(now), found == epoch and isThere and 1 or 0, found, text(last) }
`
}

/** Returns the number of processes that are alive beside one. */
export const others: Script = {
  name: "others",
  text: `${prelude}
local alive = redis.call('ZCOUNT', nodes, text(now + 1), '+inf')
local own = redis.call('ZSCORE', nodes, ARGV[2])
return own and tonumber(own) > now and alive - 1 or alive
`
}

/** Scripts that the engine uses. */
export const all: ReadonlyArray<Script> = [commit, join, beat, leave, compare, identified, look, others]

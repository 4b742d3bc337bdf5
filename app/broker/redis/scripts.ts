// What happens inside Redis, each piece atomic: Lua scripts, and the keys that they keep. Nothing else writes these keys.
//
// All keys begin with the prefix, whose {tag} keeps them on one node of a Redis Cluster:
//   meta              hash: the present term, the run of Redis that it belongs to, the end of the feed
//   terms             set: the names of all terms
//   feed              stream: what every node has to hear, in one order; an id counts the bytes told so far
//   rooms             set: rooms with messages
//   room:{room}       hash: head, at (time of the newest), first
//   log:{room}        stream: the messages; the id is the offset
//   nonce:{room}:{member}:{nonce}   string: offset and end of life
//   name:{key}        string: the member who has the name
//   member:{member}   hash: its key, username, former key, spoke, until, and node:{node} for each node where it is
//   nodes             hash: the nodes that have not been found dead, and which of its links each uses
//   node:{node}       string: the lease; who lets it lapse is found dead by another
//   here:{node}       hash: who is in which room by way of that node, as "{room} {member}"
// and one pub/sub channel, typing.

import { createHash } from "node:crypto";

/** A script that Redis keeps under its digest. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

/** What a node that fell behind may still read from the feed; after more it repairs itself from the rooms' logs. */
const feedMaxBytes = 16 * 1024 * 1024;
const nonceMs = 7 * 86_400_000;
/** How long the book of a member outlives what is in it: sessions say hourly that they are here. */
const bookMs = 3 * 3_600_000;

/**
 * Every script's first arguments: the time, or empty where Redis's own counts (one clock for all nodes); the node, and its
 * link. They are the same for all, and not named below.
 */
const prelude = `
local prefix, node, link = KEYS[1], ARGV[2], ARGV[3]
local clock = redis.call('TIME')
local now = tonumber(ARGV[1]) or (clock[1] * 1000 + math.floor(clock[2] / 1000))
local function key(...) return prefix .. table.concat({...}, ':') end
local function digits(number) return string.format('%.0f', number) end

-- What may have forked goes on under a new name: another run of Redis, or a Redis that knows of none.
local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
local meta = redis.call('HMGET', key('meta'), 'run', 'term', 'feed')
local term, feed = meta[2], tonumber(meta[3] or 0)
if meta[1] ~= run then
  term = redis.sha1hex(run .. clock[1] .. '.' .. clock[2]):sub(1, 16)
  redis.call('HSET', key('meta'), 'run', run, 'term', term)
  redis.call('SADD', key('terms'), term)
end

-- A node that was found dead changes nothing any more: others may have what its members had. Nor does what an older
-- link has sent, and nobody waits for any more.
local function isAlive(other) return redis.call('HEXISTS', key('nodes'), other) == 1 end
local function isFenced() return redis.call('HGET', key('nodes'), node) ~= link end

local function tell(event)
  local before = feed
  feed = feed + #event
  redis.call('XADD', key('feed'), 'MINID', '~', digits(math.max(0, feed - ${feedMaxBytes})),
    digits(feed) .. '-0', 'after', digits(before), 'event', event)
  redis.call('HSET', key('meta'), 'feed', digits(feed))
end

local function answer(more)
  return '{"term":"' .. term .. '","feed":' .. digits(feed) .. more .. '}'
end

local function hash(name)
  local flat, found = redis.call('HGETALL', name), {}
  for i = 1, #flat, 2 do found[flat[i]] = flat[i + 1] end
  return found
end

local function isLive(book)
  for field in pairs(book) do
    local other = field:match('^node:(.+)$')
    if other and isAlive(other) then return true end
  end
  return false
end

local function isHeld(book)
  return isLive(book) or (book.spoke == '1' and tonumber(book['until']) > now)
end

-- Whether another member has this name now.
local function isTaken(name, member)
  local owner = redis.call('GET', key('name', name))
  if not owner or owner == member then return false end
  local book = hash(key('member', owner))
  return (book.key == name or book.former == name) and isHeld(book)
end

local function forgetName(name, member)
  if name and redis.call('GET', key('name', name)) == member then
    redis.call('DEL', key('name', name))
  end
end
`;

/** Messages. Arguments: most rooms, then for each draft room, member, nonce, key of the name, and the rest as JSON. */
export const append = script(
  "",
  `
if isFenced() then return answer(',"alive":false') end
local maxRooms = tonumber(ARGV[4])
local rooms, authors, nonces, results, entries = {}, {}, {}, {}, {}
local added = 0
local function roomOf(name)
  local room = rooms[name]
  if room == nil then
    local stored = redis.call('HMGET', key('room', name), 'head', 'at')
    if stored[1] then
      room = { head = tonumber(stored[1]), at = tonumber(stored[2]) }
    elseif maxRooms > 0 and redis.call('SCARD', key('rooms')) + added >= maxRooms then
      return nil
    else
      room = { head = 0, at = 0, isNew = true }
      added = added + 1
    end
    rooms[name] = room
  end
  return room
end
local function mayWrite(member, name)
  local author = member .. ':' .. name
  if authors[author] == nil then authors[author] = not isTaken(name, member) end
  return authors[author]
end
local function known(nonce)
  if nonces[nonce] then return nonces[nonce] end
  local offset, ends = (redis.call('GET', nonce) or ''):match('^(%d+):(%d+)$')
  return offset and tonumber(ends) > now and offset
end

-- First everything is looked at, then everything is written.
for i = 5, #ARGV, 5 do
  local name, member, rest = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  local nonce = key('nonce', name, member, ARGV[i + 2])
  local repeated = known(nonce)
  local room = not repeated and mayWrite(member, ARGV[i + 3]) and roomOf(name)
  if repeated then
    results[#results + 1] = '{"kind":"repeat","offset":' .. repeated .. '}'
  elseif room then
    local offset = digits(room.head + 1)
    room.head = room.head + 1
    room.at = math.max(now, room.at)
    nonces[nonce] = offset
    results[#results + 1] = '{"kind":"stored","offset":' .. offset .. '}'
    entries[#entries + 1] =
      { room = name, member = member, offset = offset, at = digits(room.at), rest = rest }
  elseif room == nil then
    results[#results + 1] = '{"kind":"rooms_full"}'
  else
    results[#results + 1] = '{"kind":"unavailable"}'
  end
end

for nonce, offset in pairs(nonces) do
  redis.call('SET', nonce, offset .. ':' .. digits(now + ${nonceMs}), 'PX', ${nonceMs})
end
local news, wrote = {}, {}
for i, entry in ipairs(entries) do
  redis.call('XADD', key('log', entry.room), entry.offset .. '-0',
    'term', term, 'at', entry.at, 'rest', entry.rest)
  wrote[entry.member] = true
  news[i] = '{"room":"' .. entry.room .. '","offset":' .. entry.offset .. ',"epoch":"' .. term ..
    '","at":' .. entry.at .. ',' .. entry.rest .. '}'
end
for name, room in pairs(rooms) do
  redis.call('HSET', key('room', name), 'head', digits(room.head), 'at', digits(room.at))
  if room.isNew then
    redis.call('HSET', key('room', name), 'first', 1)
    redis.call('SADD', key('rooms'), name)
  end
end
for member in pairs(wrote) do
  local book = key('member', member)
  if redis.call('HGET', book, 'spoke') == '0' then redis.call('HSET', book, 'spoke', 1) end
end
if #news > 0 then tell('{"kind":"entries","entries":[' .. table.concat(news, ',') .. ']}') end
return answer(',"results":[' .. table.concat(results, ',') .. ']')
`,
);

/** Used by what reads rooms. */
const rooms = `
local function roomOf(name)
  local stored = redis.call('HMGET', key('room', name), 'head', 'first')
  return { name = name, head = tonumber(stored[1] or 0), first = tonumber(stored[2] or 1) }
end

local function entryAt(room, offset)
  if offset < 1 then return nil end
  local id = digits(offset) .. '-0'
  return redis.call('XRANGE', key('log', room.name), id, id)[1]
end

local function isValid(room, epoch, offset)
  if offset > room.head then return false end
  if offset == 0 then return redis.call('SISMEMBER', key('terms'), epoch) == 1 end
  -- A term never goes on after the log was set back. So what came before its oldest message kept is what everybody saw
  -- there; of an older term without any, nobody can tell any more.
  local entry = entryAt(room, math.max(offset, room.first))
  return epoch == (entry and entry[2][2] or term)
end

local function headOf(room)
  local newest = entryAt(room, room.head)
  return '{"epoch":"' .. (newest and newest[2][2] or term) .. '","offset":' .. digits(room.head) .. '}'
end
`;

/** One page. Arguments: room, limit, bytes, `after` with epoch and offset, or `before` with an empty epoch and an offset. */
export const read = script(
  "flags=allow-oom",
  `
${rooms}
local room, limit, maxBytes = roomOf(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local forward, epoch, offset = ARGV[7] == 'after', ARGV[8], tonumber(ARGV[9])
local valid = not forward or isValid(room, epoch, offset)
local entries, bytes = {}, 0

local function fetch(count)
  local log = key('log', room.name)
  local from = '(' .. digits(offset) .. '-0'
  if forward then return redis.call('XRANGE', log, from, '+', 'COUNT', count) end
  return redis.call('XREVRANGE', log, from, '-', 'COUNT', count)
end

if not forward then offset = math.max(1, math.min(offset, room.head + 1)) end
local isFull = not valid
while not isFull and #entries < limit do
  local count = math.min(128, limit - #entries)
  local found = fetch(count)
  for _, entry in ipairs(found) do
    local values = entry[2]
    bytes = bytes + #values[6]
    if bytes > maxBytes and #entries > 0 then isFull = true break end
    offset = tonumber(entry[1]:match('^%d+'))
    entries[#entries + 1] = '{"room":"' .. room.name .. '","offset":' .. digits(offset) ..
      ',"epoch":"' .. values[2] .. '","at":' .. values[4] .. ',' .. values[6] .. '}'
  end
  if #found < count then break end
end
if not forward then
  local rising = {}
  for i = #entries, 1, -1 do rising[#rising + 1] = entries[i] end
  entries = rising
end
return answer(',"first":' .. digits(room.first) .. ',"head":' .. headOf(room) .. ',"valid":' ..
  tostring(valid) .. ',"entries":[' .. table.concat(entries, ',') .. ']')
`,
);

/**
 * What a node knows of rooms. Arguments: for each of them room, epoch and offset. Answers of each whether that is part of the
 * log and what follows is kept, the oldest that is, and the head.
 */
export const compare = script(
  "flags=allow-oom",
  `
${rooms}
local compared = {}
for i = 4, #ARGV, 3 do
  local room, offset = roomOf(ARGV[i]), tonumber(ARGV[i + 2])
  local valid = isValid(room, ARGV[i + 1], offset) and room.first <= offset + 1
  compared[#compared + 1] = '{"room":"' .. room.name .. '","valid":' .. tostring(valid) ..
    ',"first":' .. digits(room.first) .. ',"head":' .. digits(room.head) .. '}'
end
return answer(',"rooms":[' .. table.concat(compared, ',') .. ']')
`,
);

/**
 * A node comes, or comes back. Arguments: lease in ms, `back` when it was registered before. Answers whether it is still
 * registered, and who is where.
 */
export const enter = script(
  "flags=allow-oom",
  `
local alive = isAlive(node) or ARGV[5] ~= 'back'
local here = {}
if alive then
  redis.call('HSET', key('nodes'), node, link)
  redis.call('SET', key('node', node), 1, 'PX', ARGV[4])
end
for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
  local places = {}
  for i, place in ipairs(redis.call('HKEYS', key('here', other))) do
    local room, member = place:match('^(%S+) (.+)$')
    local username = redis.call('HGET', key('member', member), 'username') or member
    places[i] = '["' .. room .. '","' .. member .. '",' .. cjson.encode(username) .. ']'
  end
  here[#here + 1] = '"' .. other .. '":[' .. table.concat(places, ',') .. ']'
end
return answer(',"alive":' .. tostring(alive) .. ',"here":{' .. table.concat(here, ',') .. '}')
`,
);

/**
 * The node is still there; nodes that are not any more are found out, once. Arguments: lease in ms. Who was late itself
 * finds nobody dead: then it was Redis that stood still, and the others are late as well.
 */
export const renew = script(
  "flags=allow-oom",
  `
local alive = not isFenced()
if alive then
  local wasLate = not redis.call('SET', key('node', node), 1, 'PX', ARGV[4], 'GET')
  for _, other in ipairs(wasLate and {} or redis.call('HKEYS', key('nodes'))) do
    if redis.call('EXISTS', key('node', other)) == 0 then
      redis.call('HDEL', key('nodes'), other)
      redis.call('DEL', key('here', other))
      tell('{"kind":"lost","node":"' .. other .. '"}')
    end
  end
end
return answer(',"alive":' .. tostring(alive))
`,
);

/** Writes something, as storing a message would; fails where nothing can be stored. */
export const probe = script(
  "",
  "redis.call('HSET', key('meta'), 'probed', now)\nreturn answer('')",
);

/** Who is where. Arguments: for each change its kind, room, member, and the username or reason. */
export const presence = script(
  "flags=allow-oom",
  `
if isFenced() then return answer(',"alive":false') end
local changes = {}
for i = 4, #ARGV, 4 do
  local kind, room, member, more = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local field = 'reason'
  if kind == 'came' then
    redis.call('HSET', key('here', node), room .. ' ' .. member, 1)
    -- The name as it is in the order of the feed.
    field, more = 'username', redis.call('HGET', key('member', member), 'username') or more
  else
    redis.call('HDEL', key('here', node), room .. ' ' .. member)
  end
  changes[#changes + 1] = '{"kind":"' .. kind .. '","room":"' .. room .. '","member":"' .. member ..
    '","' .. field .. '":' .. cjson.encode(more) .. '}'
end
tell('{"kind":"presence","node":"' .. node .. '","changes":[' .. table.concat(changes, ',') .. ']}')
return answer('')
`,
);

/** Used by what changes names. A book lives longer than anything that is asked of it. */
const books = `
local hold = tonumber(ARGV[4])
if isFenced() then return answer(',"alive":false') end
local function keep(member, book)
  local ttl = digits(math.max(hold, ${bookMs}))
  redis.call('PEXPIRE', key('member', member), ttl)
  redis.call('PEXPIRE', key('name', book.key), ttl)
  if book.former then redis.call('PEXPIRE', key('name', book.former), ttl) end
end
local function seen(member, book)
  for field in pairs(book) do
    local other = field:match('^node:(.+)$')
    if other and not isAlive(other) then redis.call('HDEL', key('member', member), field) end
  end
  redis.call('HSET', key('member', member), 'node:' .. node, 1, 'until', digits(now + hold))
  keep(member, book)
end
`;

/**
 * Arguments: hold in ms, member, key of the name, the name, and the tab or nothing. Other nodes hear of the tab in the order of
 * the claims, and before their own later ones are answered.
 */
export const claim = script(
  "",
  `
${books}
local member, name, username, tab = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local book = hash(key('member', member))
if book.key and isHeld(book) then
  book['node:' .. node] = nil
  if tab ~= '' and isLive(book) then
    tell('{"kind":"replaced","node":"' .. node .. '","member":"' .. member .. '","tab":' ..
      cjson.encode(tab) .. '}')
  end
  seen(member, book)
  return answer(',"username":' .. cjson.encode(book.username))
end
if isTaken(name, member) then return answer('') end
forgetName(book.key, member)
forgetName(book.former, member)
redis.call('DEL', key('member', member))
redis.call('HSET', key('member', member), 'key', name, 'username', username, 'spoke', 0)
redis.call('SET', key('name', name), member)
seen(member, { key = name })
return answer(',"username":' .. cjson.encode(username))
`,
);

/** Arguments: hold in ms, member, key of the name, the name. */
export const rename = script(
  "",
  `
${books}
local member, name, username = ARGV[5], ARGV[6], ARGV[7]
if isTaken(name, member) then return answer(',"renamed":false') end
local book = hash(key('member', member))
if book.key ~= name then
  -- Only one name before this one stays the member's own.
  if book.former ~= name then forgetName(book.former, member) end
  redis.call('HDEL', key('member', member), 'former')
  if book.key then redis.call('HSET', key('member', member), 'former', book.key) end
  book.former, book.key = book.key, name
end
redis.call('HSET', key('member', member), 'key', name, 'username', username,
  'spoke', book.spoke or '0')
redis.call('SET', key('name', name), member)
seen(member, book)
if book.username ~= username then
  tell('{"kind":"renamed","member":"' .. member .. '","username":' .. cjson.encode(username) .. '}')
end
return answer(',"renamed":true')
`,
);

/** Arguments: hold in ms, member. */
export const release = script(
  "flags=allow-oom",
  `
${books}
local member = ARGV[5]
redis.call('HDEL', key('member', member), 'node:' .. node)
local book = hash(key('member', member))
if book.key and not isLive(book) then
  if book.spoke == '1' then
    redis.call('HSET', key('member', member), 'until', digits(now + hold))
    keep(member, book)
  else
    forgetName(book.key, member)
    forgetName(book.former, member)
    redis.call('DEL', key('member', member))
  end
end
return answer('')
`,
);

/** Arguments: hold in ms, then members. */
export const seen = script(
  "flags=allow-oom",
  `
${books}
for i = 5, #ARGV do
  local book = hash(key('member', ARGV[i]))
  if book.key then seen(ARGV[i], book) end
end
return answer('')
`,
);

/** Arguments: oldest time that is kept, messages that are kept (0 is all), most to remove, then rooms. */
export const prune = script(
  "flags=allow-oom",
  `
local days, most, left = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local oldest = now - days * 86400000
for i = 7, #ARGV do
  local name = ARGV[i]
  local stored = redis.call('HMGET', key('room', name), 'head', 'first')
  local head, first = tonumber(stored[1] or 0), tonumber(stored[2] or 1)
  local last = math.min(head + 1, first + left)
  local keep = first
  if most > 0 then keep = math.min(last, math.max(keep, head - most + 1)) end
  local isOld = days > 0
  while isOld and keep < last do
    local found = redis.call('XRANGE', key('log', name), digits(keep) .. '-0', '+', 'COUNT', 100)
    isOld = #found > 0
    for _, entry in ipairs(found) do
      isOld = isOld and keep < last and tonumber(entry[2][4]) < oldest
      if isOld then keep = tonumber(entry[1]:match('^%d+')) + 1 end
    end
  end
  if keep > first then
    redis.call('XTRIM', key('log', name), 'MINID', digits(keep) .. '-0')
    redis.call('HSET', key('room', name), 'first', digits(keep))
    tell('{"kind":"pruned","room":"' .. name .. '","first":' .. digits(keep) .. '}')
    left = left - (keep - first)
  end
end
return answer(',"left":' .. digits(left))
`,
);

function script(flags: string, body: string): RedisScript {
  const text = `#!lua ${flags}\n${prelude}${body}`;
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

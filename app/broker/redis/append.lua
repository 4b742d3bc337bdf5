#!lua
-- Appends drafts to the logs of their rooms, in order, and publishes the new entries as one event.
-- Redis rolls nothing back when a script fails. So a room whose keys another program has changed is
-- detected before anything is written for it, and the nonces, which acknowledge, come last.
--
-- keys    reads name:*, presence:*; writes log:*, room:*, rooms, meta, nonce:*, member:*, feed
-- args    maxRooms (0: no limit), nonceTtlMs
-- rows    room, member, nonce, key of the author's name, body (the entry's other fields, as JSON
--         without braces)
-- result  results: for each draft { kind, offset }, the kind being stored, repeat, unavailable or
--         rooms_full

if isFenced() then return replyFenced() end

local unavailable = '{"kind":"unavailable"}'
local rooms, roomsAdded = {}, 0

-- Evicts a room of a sample to make way for another: one that has had a single message, over a day
-- ago, and has no members. It keeps its head, so that no position in it becomes valid for
-- another message. Returns whether it has found one.
local function evictRoom()
  local fullAt = tonumber(redis.call('HGET', key('meta'), 'roomsFullAt') or 0)
  if math.abs(now - fullAt) < 1000 then return false end
  local occupied = {}
  for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
    for _, field in ipairs(redis.call('HKEYS', key('presence', other))) do
      occupied[field:match('^%S+')] = true
    end
  end
  for _, name in ipairs(redis.call('SRANDMEMBER', key('rooms'), 100)) do
    local stored = redis.pcall('HMGET', key('room', name), 'head', 'first', 'at')
    if stored[1] == '1' and stored[2] == '1' and tonumber(stored[3]) < now - 86400000 and
      not occupied[name] and not rooms[name] then
      redis.call('DEL', key('log', name))
      redis.call('HSET', key('room', name), 'first', 2)
      redis.call('SREM', key('rooms'), name)
      publish('{"kind":"pruned","room":"' .. name .. '","first":2}')
      return true
    end
  end
  redis.call('HSET', key('meta'), 'roomsFullAt', digits(now))
  return false
end

local function isFull()
  return args.maxRooms > 0 and redis.call('SCARD', key('rooms')) + roomsAdded >= args.maxRooms and
    not evictRoom()
end

-- Returns the room, nil if there may be no more rooms, or false if its keys are not usable.
local function openRoom(name)
  local room = rooms[name]
  if room ~= nil then return room end
  local stored = redis.pcall('HMGET', key('room', name), 'head', 'at', 'first')
  if stored.err or not hasType(key('rooms'), 'set') then
    rooms[name] = false
    return false
  end
  room = { head = tonumber(stored[1] or 0), at = tonumber(stored[2] or 0) }
  room.isEmpty = tonumber(stored[3] or 1) > room.head
  if room.isEmpty then
    if isFull() then return nil end
    roomsAdded = roomsAdded + 1
  end
  rooms[name] = room
  return room
end

local authors = {}
local function ownsName(member, name)
  local author = member .. ':' .. name
  if authors[author] == nil then authors[author] = not isTaken(name, member) end
  return authors[author]
end

local offsets = {}
local function firstOffset(nonce)
  if offsets[nonce] then return offsets[nonce] end
  local stored = redis.pcall('GET', nonce)
  if type(stored) ~= 'string' then return nil end
  local offset, expiresAt = stored:match('^(%d+):(%d+)$')
  return offset and tonumber(expiresAt) > now and offset
end

local results, entries, repeats = {}, {}, {}
for i = 2, #ARGV, 5 do
  local name, member, body = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  local nonce = key('nonce', name, member, ARGV[i + 2])
  local repeated = firstOffset(nonce)
  local result
  if repeated then
    repeats[#repeats + 1] = { nonce = offsets[nonce] and nonce, result = #results + 1 }
    result = '{"kind":"repeat","offset":' .. repeated .. '}'
  elseif not ownsName(member, ARGV[i + 3]) then
    result = unavailable
  else
    local room = openRoom(name)
    if room == nil then
      result = '{"kind":"rooms_full"}'
    elseif room == false then
      result = unavailable
    else
      room.head, room.at = room.head + 1, math.max(now, room.at)
      local offset = digits(room.head)
      offsets[nonce] = offset
      entries[#entries + 1] = {
        room = name, member = member, offset = offset, at = digits(room.at), body = body,
        nonce = nonce, result = #results + 1,
      }
      result = '{"kind":"stored","offset":' .. offset .. '}'
    end
  end
  results[#results + 1] = result
end

local published, writers = {}, {}
for _, entry in ipairs(entries) do
  -- The first entry of a room fails, or none of it: later ones have higher ids.
  local added = rooms[entry.room] and redis.pcall('XADD', key('log', entry.room),
    entry.offset .. '-0', 'epoch', epoch, 'at', entry.at, 'body', entry.body)
  if not added or added.err then
    rooms[entry.room] = false
    offsets[entry.nonce] = nil
    results[entry.result] = unavailable
  else
    writers[entry.member] = true
    published[#published + 1] = entryJson(entry.room, entry.offset, epoch, entry.at, entry.body)
  end
end
for _, repeated in ipairs(repeats) do
  local isLost = repeated.nonce and not offsets[repeated.nonce]
  if isLost then results[repeated.result] = unavailable end
end
for name, room in pairs(rooms) do
  if room then
    redis.call('HSET', key('room', name), 'head', digits(room.head), 'at', digits(room.at))
    if room.isEmpty then
      redis.call('HSETNX', key('room', name), 'first', 1)
      redis.call('SADD', key('rooms'), name)
    end
  end
end
for member in pairs(writers) do
  local record = key('member', member)
  if redis.pcall('HGET', record, 'hasWritten') == '0' then
    redis.call('HSET', record, 'hasWritten', 1)
  end
end
if #published > 0 then
  publish('{"kind":"entries","entries":[' .. table.concat(published, ',') .. ']}')
end
local expiresAt, ttl = digits(now + args.nonceTtlMs), digits(args.nonceTtlMs)
for nonce, offset in pairs(offsets) do
  redis.call('SET', nonce, offset .. ':' .. expiresAt, 'PX', ttl)
end
return reply('"results":[' .. table.concat(results, ',') .. ']')

#!lua
-- Appends drafts to the logs of their rooms, in order, and publishes the new entries as one event.
-- Redis rolls nothing back when a script fails. So a room whose keys another program has changed is
-- found out before anything is written for it, and the nonces, which acknowledge, come last.
--
-- keys    reads name:*; writes log:*, room:*, rooms, nonce:*, member:*, feed
-- args    maxRooms (0: no limit), nonceTtlMs
-- rows    room, member, nonce, key of the author's name, body (the entry's other fields, as JSON
--         without braces)
-- result  results: for each draft { kind, offset }, the kind being stored, repeat, unavailable or
--         rooms_full

if isFenced() then return replyFenced() end

local unavailable = '{"kind":"unavailable"}'
local rooms, roomsAdded = {}, 0
-- Returns the room, nil if there may be no more rooms, or false if its keys are not usable.
local function openRoom(name)
  local room = rooms[name]
  if room ~= nil then return room end
  local stored = redis.pcall('HMGET', key('room', name), 'head', 'at')
  if stored.err or not hasType(key('rooms'), 'set') then
    rooms[name] = false
    return false
  end
  if stored[1] then
    room = { head = tonumber(stored[1]), at = tonumber(stored[2]) }
  elseif args.maxRooms > 0 and redis.call('SCARD', key('rooms')) + roomsAdded >= args.maxRooms then
    return nil
  else
    room = { head = 0, at = 0, isNew = true }
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
    if room.isNew then
      redis.call('HSET', key('room', name), 'first', 1)
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

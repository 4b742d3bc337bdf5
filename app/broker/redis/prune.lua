#!lua flags=allow-oom
-- Removes expired entries from the start of each room's log, or all entries.
--
-- keys    writes log:*, text:*, others:*, room:*, rooms, recent, feed
-- args    retentionDays and retentionMessages (0: keep all), maxEntries (to remove), wallNow (the
--         caller's clock), optionally removesAll
-- rows    room
-- result  entriesLeft: `maxEntries` minus the removed entries; 0 if there may be more to remove

local entriesLeft = args.maxEntries
-- Uses the earlier of two clocks, so that one that is years ahead removes nothing.
local oldestAt = math.min(now, args.wallNow) - args.retentionDays * 86400000

-- Returns the first offset, up to `limit`, that leaves at most `retentionMessages` messages.
local function skipExcess(room, limit)
  local excess = countMessages(room, room.first, room.head) - args.retentionMessages
  local low, high = room.first, excess > 0 and limit or room.first
  while low < high do
    local middle = math.floor((low + high) / 2)
    if countMessages(room, room.first, middle) > excess then high = middle else low = middle + 1 end
  end
  return low
end

-- Removes the states of the entries in [from, to), and their offsets in `others`.
local function removeStates(name, from, to)
  for start = from, to - 1, 1000 do
    local fields = {}
    for offset = start, math.min(start + 999, to - 1) do
      fields[#fields + 1] = digits(offset)
      fields[#fields + 1] = digits(offset) .. ':edits'
    end
    redis.call('HDEL', key('text', name), unpack(fields))
  end
  redis.call('ZREMRANGEBYSCORE', key('others', name), '-inf', '(' .. digits(to))
end

-- Returns the offset of the first entry in [from, to) that has not expired, or `to`.
local function skipOld(log, from, to)
  while from < to do
    local found = redis.call('XRANGE', log, digits(from) .. '-0', '+', 'COUNT', 100)
    if #found == 0 then return from end
    for _, entry in ipairs(found) do
      if from >= to or tonumber(entry[2][4]) >= oldestAt then return from end
      from = tonumber(entry[1]:match('^%d+')) + 1
    end
  end
  return from
end

for i = 2, #ARGV do
  local room = readRoom(ARGV[i])
  local log = key('log', room.name)
  local limit = math.min(room.head + 1, room.first + entriesLeft)
  local first = room.first
  if args.retentionMessages > 0 then first = skipExcess(room, limit) end
  if args.removesAll then first = limit end
  if args.retentionDays > 0 then first = skipOld(log, first, limit) end
  if first > room.first then
    redis.call('XTRIM', log, 'MINID', digits(first) .. '-0')
    removeStates(room.name, room.first, first)
    redis.call('HSET', key('room', room.name), 'first', digits(first))
    if first > room.head then
      redis.call('HDEL', key('room', room.name), 'title', 'titleAt', 'titleLocked')
      redis.call('SREM', key('rooms'), room.name)
      redis.pcall('ZREM', key('recent'), room.name)
    end
    publish('{"kind":"pruned","room":"' .. room.name .. '","first":' .. digits(first) .. '}')
    entriesLeft = entriesLeft - (first - room.first)
  end
end
return reply('"entriesLeft":' .. digits(entriesLeft))

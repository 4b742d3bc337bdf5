-- Shared by scripts that read rooms. An entry in a log's stream is { id, { 'epoch', …, 'at', …,
-- 'body', … } }. The body has the fields that never change, as JSON without braces: for a message,
-- all but its text. The other fields, its state, are kept beside the log in the same format:
--   "text":…                               a message, or a title
--   "amended":…,"editedAt":…,"text":…      an edited message
--   "amended":…,"deletedBy":…              a deleted message or title

local function readRoom(name)
  local stored = redis.call('HMGET', key('room', name), 'head', 'first', 'title')
  return {
    name = name, head = tonumber(stored[1] or 0), first = tonumber(stored[2] or 1),
    title = stored[3],
  }
end

local function entryAt(room, offset)
  if offset < 1 then return nil end
  local id = digits(offset) .. '-0'
  return redis.call('XRANGE', key('log', room.name), id, id)[1]
end

-- Returns the author and the kind of a message or a title; nil for other entries.
local function authorOf(body)
  local kind, member = body:match('^"type":"(%a+)","member":"([^"]*)"')
  if kind == 'message' or kind == 'title' then return member, kind end
end

local function isMessage(body) return body:find('"type":"message"', 1, true) == 1 end

-- Returns how many messages a room has in [from, to].
local function countMessages(room, from, to)
  if from > to then return 0 end
  local others = redis.call('ZCOUNT', key('others', room.name), digits(from), digits(to))
  return to - from + 1 - others
end

-- Returns whether a position is part of the room's log.
local function isValid(room, positionEpoch, offset)
  if offset > room.head then return false end
  if offset == 0 then return redis.call('SISMEMBER', key('epochs'), positionEpoch) == 1 end
  -- For a pruned position, the epoch of the oldest remaining entry decides: no epoch continues
  -- after the log was set back. An older epoch without remaining entries is refused.
  local entry = entryAt(room, math.max(offset, room.first))
  return positionEpoch == (entry and entry[2][2] or epoch)
end

local function entryJson(name, offset, entryEpoch, at, body, state)
  return '{"room":"' .. name .. '","offset":' .. offset .. ',"epoch":"' .. entryEpoch ..
    '","at":' .. at .. ',' .. body .. (state and ',' .. state or '') .. '}'
end

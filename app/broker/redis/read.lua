#!lua flags=allow-oom
-- Reads one page of a room, in order.
--
-- keys    reads room:*, log:*, text:*, others:*
-- args    room, limit, maxBytes; either `before` (an offset), or `after` (an offset) with `epoch`
-- result  entries, with up to `limit` messages; first (oldest offset kept); head (position of the
--         newest entry); title; valid (whether the log has the position `after`; always true for
--         `before`); behind (how many messages follow a valid `after`)

local room = readRoom(args.room)
local log = key('log', room.name)
local isForward = args.after ~= nil
local valid = not isForward or isValid(room, args.epoch, args.after)
local offset = isForward and args.after or math.max(1, math.min(args.before, room.head + 1))

-- Returns up to `count` stored entries beyond `cursor`. Skips entries that another program has
-- added: Parley's ids end in -0, and none is past the head.
local cursor, isEnd = digits(offset) .. '-0', false
local function fetch(count)
  local command, last = 'XREVRANGE', '-'
  if isForward then command, last = 'XRANGE', digits(room.head) .. '-0' end
  local found, own = redis.call(command, log, '(' .. cursor, last, 'COUNT', count), {}
  isEnd = #found < count
  for _, entry in ipairs(found) do
    cursor = entry[1]
    if cursor:match('%-0$') then own[#own + 1] = entry end
  end
  return own
end

-- Returns the states of entries. The state of an edit is its target's text, if it is the last edit.
local function statesOf(found)
  local fields = {}
  for i, entry in ipairs(found) do
    fields[i] = entry[2][6]:match('^"type":"edit".*"target":(%d+)$') or entry[1]:match('^%d+')
  end
  local states = redis.call('HMGET', key('text', room.name), unpack(fields))
  for i, entry in ipairs(found) do
    local id = entry[1]:match('^%d+')
    if fields[i] ~= id then
      local edited = '^"amended":' .. id .. ',"editedAt":%d+,(.*)$'
      states[i] = states[i] and states[i]:match(edited)
    end
  end
  return states
end

local entries, bytes, messages = {}, 0, 0
local isFull = not valid
while not isFull and not isEnd do
  local found = fetch(math.min(128, args.limit - messages))
  local states = #found > 0 and statesOf(found)
  for i, entry in ipairs(found) do
    local id, fields = entry[1]:match('^%d+'), entry[2]
    local json = entryJson(room.name, id, fields[2], fields[4], fields[6], states[i])
    bytes = bytes + #json
    if bytes > args.maxBytes and #entries > 0 then isFull = true break end
    entries[#entries + 1] = json
    if isMessage(fields[6]) then messages = messages + 1 end
    if messages == args.limit then isFull = true break end
  end
end
if not isForward then
  local ascending = {}
  for i = #entries, 1, -1 do ascending[#ascending + 1] = entries[i] end
  entries = ascending
end

local newest = entryAt(room, room.head)
local headEpoch = newest and newest[2][2] or epoch
local behind = ''
if isForward and valid then
  local kept = math.max(args.after, room.first - 1)
  behind = ',"behind":' .. digits(kept - args.after + countMessages(room, kept + 1, room.head))
end
return reply('"first":' .. digits(room.first) ..
  ',"head":{"epoch":"' .. headEpoch .. '","offset":' .. digits(room.head) .. '}' .. behind ..
  (room.title and ',"title":' .. room.title or '') ..
  ',"valid":' .. tostring(valid) .. ',"entries":[' .. table.concat(entries, ',') .. ']')

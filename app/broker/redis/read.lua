#!lua flags=allow-oom
-- Reads one page of a room, in order.
--
-- keys    reads room:*, log:*
-- args    room, limit, maxBytes; either `before` (an offset), or `after` (an offset) with `epoch`
-- result  entries; first (oldest offset kept); head (position of the newest entry); valid (whether
--         the log has the position `after`; always true for `before`)

local room = readRoom(args.room)
local log = key('log', room.name)
local isForward = args.after ~= nil
local valid = not isForward or isValid(room, args.epoch, args.after)
local offset = isForward and args.after or math.max(1, math.min(args.before, room.head + 1))

local function fetch(count)
  local from = '(' .. digits(offset) .. '-0'
  if isForward then return redis.call('XRANGE', log, from, '+', 'COUNT', count) end
  return redis.call('XREVRANGE', log, from, '-', 'COUNT', count)
end

local entries, bytes = {}, 0
local isFull = not valid
while not isFull and #entries < args.limit do
  local count = math.min(128, args.limit - #entries)
  local found = fetch(count)
  for _, entry in ipairs(found) do
    local id, fields = entry[1]:match('^%d+'), entry[2]
    local entryEpoch, at, body = fields[2], fields[4], fields[6]
    bytes = bytes + #body
    if bytes > args.maxBytes and #entries > 0 then isFull = true break end
    offset = tonumber(id)
    entries[#entries + 1] = entryJson(room.name, id, entryEpoch, at, body)
  end
  if #found < count then break end
end
if not isForward then
  local ascending = {}
  for i = #entries, 1, -1 do ascending[#ascending + 1] = entries[i] end
  entries = ascending
end

local newest = entryAt(room, room.head)
local headEpoch = newest and newest[2][2] or epoch
return reply('"first":' .. digits(room.first) ..
  ',"head":{"epoch":"' .. headEpoch .. '","offset":' .. digits(room.head) .. '}' ..
  ',"valid":' .. tostring(valid) .. ',"entries":[' .. table.concat(entries, ',') .. ']')

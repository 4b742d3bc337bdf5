#!lua flags=allow-oom
-- Looks at 1,000 random rooms with messages, and returns the public ones with the newest entries.
--
-- keys    reads rooms, room:*
-- args    limit
-- result  rooms: for each { room, at, title }, newest first

local rooms = {}
for _, name in ipairs(redis.call('SRANDMEMBER', key('rooms'), 1000)) do
  if name:sub(1, 2) ~= 'p-' then
    local stored = redis.call('HMGET', key('room', name), 'at', 'title')
    rooms[#rooms + 1] = { name = name, at = tonumber(stored[1]), title = stored[2] }
  end
end
table.sort(rooms, function(one, other) return one.at > other.at end)
local newest = {}
for i = 1, math.min(args.limit, #rooms) do
  local title = rooms[i].title and ',"title":' .. rooms[i].title or ''
  newest[i] = '{"room":"' .. rooms[i].name .. '","at":' .. digits(rooms[i].at) .. title .. '}'
end
return reply('"rooms":[' .. table.concat(newest, ',') .. ']')

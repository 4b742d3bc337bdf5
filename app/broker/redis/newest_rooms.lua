#!lua flags=allow-oom
-- Finds the rooms that were used last, among up to 1,000 that have messages.
--
-- keys    reads rooms, room:*
-- args    limit
-- result  rooms: for each { room, at }, the newest first

local rooms = {}
for _, name in ipairs(redis.call('SRANDMEMBER', key('rooms'), 1000)) do
  rooms[#rooms + 1] = { name = name, at = tonumber(redis.call('HGET', key('room', name), 'at')) }
end
table.sort(rooms, function(one, other) return one.at > other.at end)
local newest = {}
for i = 1, math.min(args.limit, #rooms) do
  newest[i] = '{"room":"' .. rooms[i].name .. '","at":' .. digits(rooms[i].at) .. '}'
end
return reply('"rooms":[' .. table.concat(newest, ',') .. ']')

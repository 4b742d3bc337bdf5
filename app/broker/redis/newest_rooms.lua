#!lua flags=allow-oom
-- Returns the public rooms with the newest entries.
--
-- keys    reads recent, room:*
-- args    limit
-- result  rooms: for each { room, at, title }, newest first

local rooms = {}
local newest = redis.call('ZREVRANGE', key('recent'), 0, args.limit - 1, 'WITHSCORES')
for i = 1, #newest, 2 do
  local title = redis.call('HGET', key('room', newest[i]), 'title')
  rooms[#rooms + 1] = '{"room":"' .. newest[i] .. '","at":' .. newest[i + 1] ..
    (title and ',"title":' .. title or '') .. '}'
end
return reply('"rooms":[' .. table.concat(rooms, ',') .. ']')

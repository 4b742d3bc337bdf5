#!lua flags=allow-oom
-- Compares the rooms that a node has loaded with their logs.
--
-- keys    reads room:*, log:*
-- rows    room, and the epoch and offset of the last entry that the node has delivered there
-- result  rooms: for each { room, valid, first, head }; valid is false if the log does not contain
--         that position, or no longer has every entry after it

local compared = {}
for i = 2, #ARGV, 3 do
  local room, offset = readRoom(ARGV[i]), tonumber(ARGV[i + 2])
  local valid = isValid(room, ARGV[i + 1], offset) and room.first <= offset + 1
  compared[#compared + 1] = '{"room":"' .. room.name .. '","valid":' .. tostring(valid) ..
    ',"first":' .. digits(room.first) .. ',"head":' .. digits(room.head) .. '}'
end
return reply('"rooms":[' .. table.concat(compared, ',') .. ']')

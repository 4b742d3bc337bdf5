#!lua flags=allow-oom
-- Takes one step of the oldest sweep: deletes messages and titles in some of its remaining rooms,
-- with one `delete` entry per room. `sweep:{sweep}` has those rooms, each with the offset before
-- which the next step continues; 1 stands for the end of the log.
--
-- keys    writes sweeps, sweep:*, and what append.lua writes
-- args    entriesMax (to visit), messagesMax (to delete), nonceTtlMs
-- result  deleted (number of messages); hasMore; isBlocked (the keys of a room are unusable)

if isFenced() then return replyFenced() end
local stored = redis.call('LINDEX', key('sweeps'), 0)
if not stored then return reply('"deleted":0,"hasMore":false,"isBlocked":false') end
local sweep = cjson.decode(stored)
local unswept, members = key('sweep', sweep.id), {}
for _, member in ipairs(sweep.members) do members[member] = true end
local entriesLeft, messagesLeft = args.entriesMax, args.messagesMax

-- Returns the offsets of messages to delete in a room, newest first, and the offset before which to
-- continue there, or nil if the room is done. Returns nil if the room's keys are unusable.
local function findMessages(name, before)
  local room, found, count = openRoom(name), {}, entriesLeft
  local start = before > 1 and '(' .. digits(before) or digits(room.stored or 0)
  local log = redis.pcall('XREVRANGE', key('log', name), start .. '-0', '-', 'COUNT', count)
  if room.isBroken or log.err then return nil end
  for _, entry in ipairs(log) do
    local offset, author = entry[1]:match('^(%d+)%-0$'), nil
    if offset then
      if tonumber(entry[2][4]) < sweep.since then return found end
      author = authorOf(entry[2][6])
      before, entriesLeft = tonumber(offset), entriesLeft - 1
    end
    if members[author] and messageAt(room, before) then
      found[#found + 1] = offset
      messagesLeft = messagesLeft - 1
      if messagesLeft == 0 then return found, before end
    end
  end
  return found, #log == count and before or nil
end

local deleted, rows, visited = 0, {}, {}
local author = '"type":"delete","member":' .. cjson.encode(sweep.member) .. ',"from":' ..
  cjson.encode(sweep.username) .. ',"nonce":"sweep.'
local names = redis.call('ZRANDMEMBER', unswept, 50, 'WITHSCORES')
for i = 1, #names, 2 do
  if entriesLeft > 0 and messagesLeft > 0 then
    local name = names[i]
    local found, before = findMessages(name, tonumber(names[i + 1]))
    visited[#visited + 1] = { name = name, before = before, isBroken = not found }
    if found and #found > 0 then
      deleted = deleted + #found
      local targets = {}
      for j = #found, 1, -1 do targets[#targets + 1] = found[j] end
      -- A message is deleted only once, so no other sweep uses this nonce; nor does a client, since
      -- it has a dot.
      local row = {
        name, sweep.member, 'sweep.' .. targets[1], '', author .. targets[1] .. '"', '',
        'moderate ' .. table.concat(targets, ' '),
      }
      for _, value in ipairs(row) do rows[#rows + 1] = value end
    end
  end
end
appendRows(rows, 1)
local isBlocked = false
for _, room in ipairs(visited) do
  if room.isBroken or rooms[room.name].isBroken then
    isBlocked = true
  elseif room.before then
    redis.call('ZADD', unswept, digits(room.before), room.name)
  else
    redis.call('ZREM', unswept, room.name)
  end
end
if redis.call('EXISTS', unswept) == 0 then
  redis.call('LPOP', key('sweeps'))
elseif isBlocked then
  -- The other sweeps must not wait for this room.
  redis.call('LMOVE', key('sweeps'), key('sweeps'), 'LEFT', 'RIGHT')
end
return reply('"deleted":' .. deleted .. ',"hasMore":true,"isBlocked":' .. tostring(isBlocked))

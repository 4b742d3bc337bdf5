#!lua flags=allow-oom
-- Extends the name holds and the recorded networks of members connected to this node. Gives their
-- names to members that no longer hold one, because Redis lost their records or was unreachable for
-- longer than it keeps them.
--
-- keys    writes member:*, name:*, seen
-- args    nameHoldMs, recordTtlMs
-- rows    member, username, key (of that name)
-- result  usernames: for each member its name, or null if another member has it by now

if isFenced() then return replyFenced() end
local usernames = {}
for i = 2, #ARGV, 3 do
  local member, username, name = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local record = readMember(member)
  if record.key and holdsName(record) then
    markConnected(member, record)
    username = record.username
  elseif isTaken(name, member) then
    username = cjson.null
  else
    giveName(member, record, username, name)
  end
  usernames[#usernames + 1] = cjson.encode(username)
  redis.call('ZADD', key('seen'), 'XX', digits(now), member)
end
return reply('"usernames":[' .. table.concat(usernames, ',') .. ']')

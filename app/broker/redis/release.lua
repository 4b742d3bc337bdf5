#!lua flags=allow-oom
-- Ends a member's connection to this node. With its last one the hold of its names begins, or ends
-- at once when the member has not written anything.
--
-- keys    writes member:*, name:*
-- args    member, nameHoldMs, recordTtlMs

if isFenced() then return replyFenced() end
local member = args.member
redis.call('HDEL', key('member', member), 'node:' .. node)
local record = readMember(member)
if record.key and not isConnected(record) then
  if record.hasWritten == '1' then
    redis.call('HSET', key('member', member), 'heldUntil', digits(now + args.nameHoldMs))
    extendTtl(member, record)
  else
    freeName(record.key, member)
    freeName(record.formerKey, member)
    redis.call('DEL', key('member', member))
  end
end
return reply()

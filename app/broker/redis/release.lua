#!lua flags=allow-oom
-- Ends a member's connection to this node. With its last one the hold of its names begins, or they
-- are freed.
--
-- keys    writes member:*, name:*
-- args    member, isFreed, nameHoldMs, readerHoldMs, recordTtlMs

if isFenced() then return replyFenced() end
local member = args.member
redis.call('HDEL', key('member', member), 'node:' .. node)
local record = readMember(member)
if record.key and not isConnected(record) then
  if args.isFreed then
    freeName(record.key, member)
    freeName(record.formerKey, member)
    redis.call('DEL', key('member', member))
  else
    redis.call('HSET', key('member', member), 'heldUntil', digits(now + args.nameHoldMs),
      'readerHeldUntil', digits(now + args.readerHoldMs))
    extendTtl(member, record)
  end
end
return reply()

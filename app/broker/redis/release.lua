#!lua flags=allow-oom
-- Ends a member's connection to this node. With its last one the hold of its names begins, or they
-- are freed, unless it is banned. The network of a member that wrote nothing is forgotten.
--
-- keys    writes member:*, name:*, networks, network:*, seen; reads wrote:*
-- args    member, isFreed, nameHoldMs, readerHoldMs, recordTtlMs

if isFenced() then return replyFenced() end
local member = args.member
redis.call('HDEL', key('member', member), 'node:' .. node)
local record = readMember(member)
local isGone = not isConnected(record)
if isGone and redis.call('EXISTS', key('wrote', member)) == 0 then forgetNetwork(member) end
if record.key and isGone then
  if args.isFreed and not isReserved(record) then
    freeName(record.key, member)
    freeName(record.formerKey, member)
    redis.call('DEL', key('member', member))
  else
    local isHeld = args.isFreed and 0 or 1
    redis.call('HSET', key('member', member), 'heldUntil', digits(now + isHeld * args.nameHoldMs),
      'readerHeldUntil', digits(now + isHeld * args.readerHoldMs))
    extendTtl(member, record)
  end
end
return reply()

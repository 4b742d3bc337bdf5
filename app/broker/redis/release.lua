#!lua flags=allow-oom
-- Ends a member's connection to this node. When its last connection ends, its names are held or, if
-- `isFreed` is set and it isn't banned, freed. Forgets the network of a member that has not
-- written.
--
-- keys    writes member:*, name:*, networks, network:*, seen; reads wrote:*
-- args    member, isFreed, nameHoldMs, readerHoldMs, recordTtlMs

if isFenced() then return replyFenced() end
local member = args.member
-- Already released: the reply was lost. By now, the name may be another member's.
if redis.call('HDEL', key('member', member), 'node:' .. node) == 0 then return reply() end
local record = readMember(member)
local isGone = not isConnected(record)
if isGone and redis.call('EXISTS', key('wrote', member)) == 0 then forgetNetwork(member) end
if record.key and isGone then
  if args.isFreed and not isReserved(record) then
    freeName(record.key, member)
    freeName(record.formerKey, member)
    redis.call('DEL', key('member', member))
  else
    local holdMs = args.isFreed and 0 or args.nameHoldMs
    local readerHoldMs = args.isFreed and 0 or args.readerHoldMs
    redis.call('HSET', key('member', member), 'heldUntil', digits(now + holdMs),
      'readerHeldUntil', digits(now + readerHoldMs))
    extendTtl(member, record)
  end
end
return reply()

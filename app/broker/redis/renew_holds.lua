#!lua flags=allow-oom
-- Restarts the hold of the names of members that are still connected to this node, and of what is
-- known of their networks.
--
-- keys    writes member:*, name:*, seen
-- args    nameHoldMs, recordTtlMs
-- rows    member

if isFenced() then return replyFenced() end
for i = 2, #ARGV do
  local record = readMember(ARGV[i])
  if record.key then markConnected(ARGV[i], record) end
  redis.call('ZADD', key('seen'), 'XX', digits(now), ARGV[i])
end
return reply()

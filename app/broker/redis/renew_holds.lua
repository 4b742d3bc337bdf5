#!lua flags=allow-oom
-- Extends the name holds and the recorded networks of members connected to this node.
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

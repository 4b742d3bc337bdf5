#!lua flags=allow-oom
-- Restarts the hold of the names of members that are still connected to this node.
--
-- keys    writes member:*, name:*
-- args    nameHoldMs, recordTtlMs
-- rows    member

if isFenced() then return replyFenced() end
for i = 2, #ARGV do
  local record = readMember(ARGV[i])
  if record.key then markConnected(ARGV[i], record) end
end
return reply()

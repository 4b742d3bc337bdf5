#!lua
-- Gives a connected member another name unless that is taken. The name before stays the member's
-- too.
--
-- keys    writes member:*, name:*, feed
-- args    member, username, key (of that name), nameHoldMs, recordTtlMs
-- result  renamed

if isFenced() then return replyFenced() end
local member = args.member
if isTaken(args.key, member) then return reply('"renamed":false') end
local record = readMember(member)
if record.key ~= args.key then
  if record.formerKey ~= args.key then freeName(record.formerKey, member) end
  redis.call('HDEL', key('member', member), 'formerKey')
  if record.key then redis.call('HSET', key('member', member), 'formerKey', record.key) end
  record.formerKey, record.key = record.key, args.key
end
redis.call('HSET', key('member', member), 'key', args.key, 'username', args.username,
  'hasWritten', record.hasWritten or '0')
redis.call('SET', key('name', args.key), member)
markConnected(member, record)
if record.username ~= args.username then
  publish('{"kind":"renamed","member":"' .. member .. '","username":' ..
    cjson.encode(args.username) .. '}')
end
return reply('"renamed":true')

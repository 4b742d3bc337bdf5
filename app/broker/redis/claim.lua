#!lua
-- Gives a connecting member the name it still holds, or else the name it asks for unless that is
-- taken or empty.
--
-- keys    writes member:*, name:*, feed
-- args    member, username, key (of that name), optionally tab, nameHoldMs, recordTtlMs
-- result  username: the member's name; absent if it holds none and the one it asks for is taken

if isFenced() then return replyFenced() end
local member, record = args.member, readMember(args.member)
if record.key and holdsName(record) then
  record['node:' .. node] = nil
  -- Published before any later claim runs, so that tabs move in the order of their claims.
  if args.tab and isConnected(record) then
    publish('{"kind":"tab_moved","node":"' .. node .. '","member":"' .. member .. '","tab":' ..
      cjson.encode(args.tab) .. '}')
    redis.call('HSET', key('member', member), 'movedAt', digits(feed))
  end
  markConnected(member, record)
  return reply('"username":' .. cjson.encode(record.username))
end
if args.username == '' or isTaken(args.key, member) then return reply() end
freeName(record.key, member)
freeName(record.formerKey, member)
redis.call('DEL', key('member', member))
redis.call('HSET', key('member', member), 'key', args.key, 'username', args.username,
  'hasWritten', 0)
redis.call('SET', key('name', args.key), member)
markConnected(member, { key = args.key })
return reply('"username":' .. cjson.encode(args.username))

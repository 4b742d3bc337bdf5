#!lua
-- Renames a member that is connected to this node, unless the name is taken. The member also keeps
-- its previous name.
--
-- keys    writes member:*, name:*, feed
-- args    member, username, key (of that name), position (id of the last event that the node has
--         handled), nameHoldMs, recordTtlMs
-- result  renamed; isBehind: true if the node must first handle a `tab_moved` event of the member,
--         which may end the session that requested the name

if isFenced() then return replyFenced() end
local member = args.member
local record = readMember(member)
if tonumber(record.tabMovedId or 0) > args.position then
  return reply('"renamed":false,"isBehind":true')
end
local isHere = record['node:' .. node]
if not isHere or isTaken(args.key, member) then return reply('"renamed":false,"isBehind":false') end
if record.key ~= args.key then
  if record.formerKey ~= args.key then freeName(record.formerKey, member) end
  record.formerKey, record.key = record.key, args.key
end
redis.call('HSET', key('member', member), 'key', args.key, 'username', args.username)
if record.formerKey then
  redis.call('HSET', key('member', member), 'formerKey', record.formerKey)
end
redis.call('SET', key('name', args.key), member)
markConnected(member, record)
if record.username ~= args.username then
  publish('{"kind":"renamed","member":"' .. member .. '","username":' ..
    cjson.encode(args.username) .. '}')
end
return reply('"renamed":true,"isBehind":false')

#!lua flags=allow-oom
-- Registers a node with a new link. A returning node must still be registered: once declared dead,
-- it needs a new name.
--
-- keys    writes nodes, lease:*, meta, recent; reads feed, presence:*, member:*, ends, rooms,
--         room:*
-- args    leaseMs, isReturning (the node was registered before)
-- result  registered; presence: for each node a list of [room, member, username]; ends: when mutes
--         and bans end (sanctions.lua)

if redis.call('HEXISTS', key('meta'), 'importing') == 1 then
  return redis.error_reply('ERR an import was interrupted; run import-chat again')
end
checkRun()
-- Rebuild the set after an import, which doesn't write it, or if another program has replaced it.
if redis.call('TYPE', key('recent')).ok ~= 'zset' then
  redis.call('DEL', key('recent'))
  for _, name in ipairs(redis.pcall('SMEMBERS', key('rooms'))) do
    local at = redis.pcall('HGET', key('room', name), 'at')
    if type(at) == 'string' then markRecent(name, tonumber(at)) end
  end
end
local registered = isRegistered(node) or not args.isReturning
if registered then
  repairFeed()
  redis.call('HSET', key('meta'), 'feed', digits(feed))
  redis.call('HSET', key('nodes'), node, args.link)
  redis.call('SET', key('lease', node), 1, 'PX', digits(args.leaseMs))
end
local presence = {}
for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
  local members = {}
  for _, field in ipairs(redis.call('HKEYS', key('presence', other))) do
    local room, member = field:match('^(%S+) (.+)$')
    local username = redis.call('HGET', key('member', member), 'username')
    -- Without a record, its node joins it again after renewing its hold.
    if username then
      members[#members + 1] = '["' .. room .. '","' .. member .. '",' .. cjson.encode(username) ..
        ']'
    end
  end
  presence[#presence + 1] = '"' .. other .. '":[' .. table.concat(members, ',') .. ']'
end
return reply('"registered":' .. tostring(registered) ..
  ',"presence":{' .. table.concat(presence, ',') .. '}' ..
  ',"ends":' .. endsJson(hasSanctions and readHash(key('ends')) or {}))

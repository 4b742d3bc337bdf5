#!lua flags=allow-oom
-- Records which members joined and left rooms through this node, and publishes the changes as one
-- event.
--
-- keys    writes presence:*, feed; reads member:*
-- rows    kind (joined or left), room, member, and the username (joined) or the reason (left)

if isFenced() then return replyFenced() end
local changes = {}
for i = 2, #ARGV, 4 do
  local kind, room, member, detail = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local field = 'reason'
  if kind == 'joined' then
    redis.call('HSET', key('presence', node), room .. ' ' .. member, 1)
    -- The caller may not have seen a rename that is already in the feed.
    field, detail = 'username', redis.call('HGET', key('member', member), 'username') or detail
  else
    redis.call('HDEL', key('presence', node), room .. ' ' .. member)
  end
  changes[#changes + 1] = '{"kind":"' .. kind .. '","room":"' .. room .. '","member":"' .. member ..
    '","' .. field .. '":' .. cjson.encode(detail) .. '}'
end
publish('{"kind":"presence","node":"' .. node .. '","changes":[' ..
  table.concat(changes, ',') .. ']}')
return reply()

#!lua flags=allow-oom
-- Renews the node's lease, and removes nodes whose lease has expired.
--
-- keys    writes lease:*, nodes, presence:*, feed
-- args    leaseMs

if isFenced() then return replyFenced() end
local wasInTime = redis.call('SET', key('lease', node), 1, 'PX', digits(args.leaseMs), 'GET')
-- A late node removes no others: if Redis itself was paused, all nodes are late.
if wasInTime then
  for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
    if redis.call('EXISTS', key('lease', other)) == 0 then
      redis.call('HDEL', key('nodes'), other)
      redis.call('DEL', key('presence', other))
      publish('{"kind":"node_lost","node":"' .. other .. '"}')
    end
  end
end
return reply()

#!lua flags=allow-oom
-- Renews the node's lease, removes nodes whose lease has expired, and removes the events older than
-- one lease from the feed, so that it does not keep deleted text. The feed expires if no node is
-- left to renew. Forgets the networks of members not seen for a day.
--
-- keys    writes lease:*, nodes, lost:*, meta, presence:*, feed, feedMarks, networks, network:*,
--         seen; reads sweeps
-- args    leaseMs, nameHoldMs, readerHoldMs
-- result  hasSweep: true if a sweep is pending

if isFenced() then return replyFenced() end
local wasInTime = redis.call('SET', key('lease', node), 1, 'PX', digits(args.leaseMs), 'GET')
-- Nodes renew their leases three times per lease. If the last renewal is half a lease away, in the
-- past or future, Redis was paused or its clock was set, and all nodes get a new lease. Otherwise
-- the second node to renew after a pause would remove those that come after it, and after the clock
-- was set back, leases would last until it has caught up.
local renewedAt = tonumber(redis.call('HGET', key('meta'), 'renewedAt') or 0)
local hasTimeJumped = math.abs(now - renewedAt) >= args.leaseMs / 2
redis.call('HSET', key('meta'), 'renewedAt', digits(now))
if hasTimeJumped then publish('{"kind":"time_jumped"}') end
for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
  if hasTimeJumped then
    local lease = key('lease', other)
    local setBackMs = math.max(0, renewedAt - now)
    local lastsMs = math.max(args.leaseMs, redis.call('PTTL', lease) - setBackMs)
    redis.call('SET', lease, 1, 'PX', digits(lastsMs))
  elseif wasInTime and redis.call('EXISTS', key('lease', other)) == 0 then
    redis.call('HDEL', key('nodes'), other)
    redis.call('DEL', key('presence', other))
    if args.nameHoldMs > 0 then
      redis.call('SET', key('lost', other), digits(now + args.readerHoldMs), 'PX',
        digits(args.nameHoldMs))
    end
    publish('{"kind":"node_lost","node":"' .. other .. '"}')
  end
end
local marks = key('feedMarks')
redis.call('RPUSH', marks, digits(now) .. ':' .. digits(feed))
while true do
  local at, id = redis.call('LINDEX', marks, 0):match('^(%d+):(%d+)$')
  -- A mark from the future was set before the clock was set back.
  if tonumber(at) > now - args.leaseMs and tonumber(at) <= now then break end
  redis.call('LPOP', marks)
  redis.pcall('XTRIM', key('feed'), 'MINID', digits(tonumber(id) + 1) .. '-0')
end
redis.call('PEXPIRE', key('feed'), digits(2 * args.leaseMs))
local old = redis.call('ZRANGEBYSCORE', key('seen'), '-inf', digits(seenSince), 'LIMIT', 0, 1000)
for _, member in ipairs(old) do forgetNetwork(member) end
return reply('"hasSweep":' .. tostring(redis.call('EXISTS', key('sweeps')) == 1))

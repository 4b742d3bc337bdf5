-- Shared by scripts that record members' networks, until 24 h after a member was last seen: `seen`
-- has the times, `networks` the network of each member, `network:{network}` the members of each.

local seenSince = now - 86400000

local function forgetNetwork(member)
  local network = redis.call('HGET', key('networks'), member)
  if not network then return end
  redis.call('SREM', key('network', network), member)
  redis.call('HDEL', key('networks'), member)
  redis.call('ZREM', key('seen'), member)
end

local function keepNetwork(member, network)
  forgetNetwork(member)
  redis.call('SADD', key('network', network), member)
  redis.call('HSET', key('networks'), member, network)
  redis.call('ZADD', key('seen'), digits(now), member)
  redis.call('PEXPIRE', key('wrote', member), '31536000000')
end

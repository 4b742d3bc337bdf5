-- Shared by scripts that read or change names. A member's record is a hash with `username`, its
-- `key`, `formerKey` (the key of the previous name), `hasWritten`, `heldUntil` (applies only if the
-- member has written), `readerHeldUntil` (after a release, applies to every member),
-- `reservedUntil` (if it was banned), `tabMovedId` (id of its last `tab_moved` event), and a field
-- node:{node} for each node that it is connected to.

local function readHash(name)
  local flat, hash = redis.call('HGETALL', name), {}
  for i = 1, #flat, 2 do hash[flat[i]] = flat[i + 1] end
  return hash
end

local function readMember(member) return readHash(key('member', member)) end

local function isConnected(record)
  for field in pairs(record) do
    local other = field:match('^node:(.+)$')
    if other and isRegistered(other) then return true end
  end
  return false
end

-- Returns whether the member still holds its names after a node that it was connected to was
-- declared dead.
local function wasConnected(record)
  for field in pairs(record) do
    local other = field:match('^node:(.+)$')
    local readerHeldUntil = other and redis.call('GET', key('lost', other))
    if readerHeldUntil and (record.hasWritten == '1' or tonumber(readerHeldUntil) > now) then
      return true
    end
  end
  return false
end

local function isReserved(record) return tonumber(record.reservedUntil or 0) > now end

local function holdsName(record)
  return isConnected(record) or wasConnected(record) or isReserved(record) or
    tonumber(record.readerHeldUntil or 0) > now or
    (record.hasWritten == '1' and tonumber(record.heldUntil) > now)
end

-- Returns whether another member holds the name.
local function isTaken(name, member)
  local owner = redis.call('GET', key('name', name))
  if not owner or owner == member then return false end
  local record = readMember(owner)
  return (record.key == name or record.formerKey == name) and holdsName(record)
end

local function freeName(name, member)
  if name and redis.call('GET', key('name', name)) == member then
    redis.call('DEL', key('name', name))
  end
end

local function extendTtl(member, record)
  local ttl = digits(math.max(args.recordTtlMs, tonumber(record.reservedUntil or 0) - now))
  redis.call('PEXPIRE', key('member', member), ttl)
  redis.call('PEXPIRE', key('name', record.key), ttl)
  if record.formerKey then redis.call('PEXPIRE', key('name', record.formerKey), ttl) end
end

-- Marks a member as connected to this node, and drops dead nodes.
local function markConnected(member, record)
  for field in pairs(record) do
    local other = field:match('^node:(.+)$')
    if other and not isRegistered(other) then redis.call('HDEL', key('member', member), field) end
  end
  redis.call('HDEL', key('member', member), 'readerHeldUntil')
  redis.call('HSET', key('member', member), 'node:' .. node, 1, 'heldUntil',
    digits(now + args.nameHoldMs))
  extendTtl(member, record)
end

-- Gives a name that is not taken to a member that connects to this node and holds no name.
local function giveName(member, record, username, name)
  freeName(record.key, member)
  freeName(record.formerKey, member)
  redis.call('DEL', key('member', member))
  redis.call('HSET', key('member', member), 'key', name, 'username', username, 'hasWritten', 0)
  redis.call('SET', key('name', name), member)
  markConnected(member, { key = name })
end

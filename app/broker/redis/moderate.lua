#!lua flags=allow-oom
-- Runs a command of a moderator or the operator, and publishes the mutes and bans that changed.
--
-- keys    writes sanctions, ends, meta, moderators, member:*, name:*, sweeps, sweep:*, feed; reads
--         networks, network:*, seen, rooms
-- args    command, by, optionally mac, sanctionsMax, nameHoldMs, recordTtlMs
-- result  result: a ModerationResult

if isFenced() then return replyFenced() end
local command, by = args.command, args.by

local function refuse(code)
  return reply('"result":{"kind":"refused","code":"' .. code .. '"}')
end

if not by.isOperator and not isModerator(by.member) then return refuse('forbidden') end

local sanctions, removed = {}, {}
for _, json in ipairs(redis.call('HVALS', key('sanctions'))) do
  local sanction = cjson.decode(json)
  if sanction['until'] > now then sanctions[#sanctions + 1] = sanction end
end
table.sort(sanctions, function(one, other) return one.id > other.id end)

-- Removes matching sanctions, in memory. Returns the last one.
local function remove(isMatch)
  for i = #sanctions, 1, -1 do
    if isMatch(sanctions[i]) then removed[#removed + 1] = table.remove(sanctions, i) end
  end
  return removed[#removed]
end

-- Returns a member's network and the members there, or nil if the network is unknown or protected.
local function findNetwork(member)
  local function isRecent(other)
    return tonumber(redis.call('ZSCORE', key('seen'), other) or 0) > seenSince
  end
  local network, members = redis.call('HGET', key('networks'), member), {}
  if not network or network == by.network or not isRecent(member) then return nil end
  for _, other in ipairs(redis.call('SMEMBERS', key('network', network))) do
    if isRecent(other) then members[#members + 1] = other end
    if other ~= member and isModerator(other) and isConnected(readMember(other)) then return nil end
  end
  return network, members
end

local function addSweep(members, seconds)
  local id = digits(redis.call('HINCRBY', key('meta'), 'sweepId', 1))
  redis.call('ZUNIONSTORE', key('sweep', id), 1, key('rooms'))
  redis.call('RPUSH', key('sweeps'), cjson.encode({
    id = id, members = members, since = now - seconds * 1000, member = by.member,
    username = by.username,
  }))
end

-- Imposes a sanction, in memory. It replaces an earlier one of the same kind on the same member.
local function impose(members, network)
  local kind, member = command.type, command.member
  remove(function(other) return other.kind == kind and other.member == member end)
  local sanction = {
    id = redis.call('HINCRBY', key('meta'), 'sanctionId', 1), kind = kind, member = member,
    username = redis.call('HGET', key('member', member), 'username') or '', at = now,
    ['until'] = now + command.seconds * 1000, by = by.username, members = members,
    network = network, others = network and #members - 1,
  }
  table.insert(sanctions, 1, sanction)
  return sanction
end

-- Replaces the stored sanctions and `ends`, and publishes the changes.
local function save()
  local ends, changes, last = {}, readHash(key('ends')), 0
  redis.call('DEL', key('sanctions'), key('ends'))
  for _, sanction in ipairs(sanctions) do
    local at = sanction['until']
    last = math.max(last, at)
    for _, member in ipairs(sanction.members) do
      local field = sanction.kind .. ' ' .. member
      ends[field] = digits(math.max(at, ends[field] or 0))
    end
    if sanction.network then
      local field = 'network ' .. sanction.network
      ends[field] = (ends[field] or '') .. digits(sanction.at) .. ':' .. digits(at) .. ' '
    end
    redis.call('HSET', key('sanctions'), digits(sanction.id), cjson.encode(sanction))
  end
  for field in pairs(changes) do
    if not ends[field] then changes[field] = '0' end
  end
  for field, value in pairs(ends) do
    redis.call('HSET', key('ends'), field, value)
    changes[field] = changes[field] ~= value and value or nil
  end
  redis.call('HSET', key('meta'), 'sanctionsEnd', digits(last))
  redis.call('PEXPIRE', key('sanctions'), digits(last - now))
  redis.call('PEXPIRE', key('ends'), digits(last - now))
  publish('{"kind":"sanctions","ends":' .. endsJson(changes) .. '}')
  return ends
end

-- Reserves the names of banned members until their ban ends. After a lifted ban, holds the names as
-- if the members had just left.
local function reserveNames(ban, ends)
  for _, member in ipairs(ban.kind == 'ban' and ban.members or {}) do
    local record = readMember(member)
    -- After the hold, another member may have claimed the name.
    if record.key and redis.call('GET', key('name', record.key)) == member then
      record.reservedUntil = ends['ban ' .. member] or digits(now + args.nameHoldMs)
      redis.call('HSET', key('member', member), 'reservedUntil', record.reservedUntil)
      extendTtl(member, record)
    end
  end
end

local changed, others
if command.type == 'neighbors' then
  local network, members = findNetwork(command.member)
  others = network and #members - 1
elseif command.type == 'sweep' then
  addSweep({ command.member }, command.seconds)
elseif command.type == 'lift' then
  changed = remove(function(other) return other.id == command.id end)
  if not changed then return refuse('not_found') end
elseif command.type == 'mute' then
  changed = impose({ command.member })
elseif command.type == 'ban' then
  if command.member == by.member then return refuse('forbidden') end
  local members, network, found = { command.member }
  if command.network then
    network, found = findNetwork(command.member)
    if not network then return refuse('network_protected') end
    for _, other in ipairs(found) do
      if other ~= command.member and not isModerator(other) then members[#members + 1] = other end
    end
  end
  redis.call('HDEL', key('moderators'), command.member)
  if command.deleteMessages then addSweep(members, 3600) end
  changed = impose(members, network)
end
if changed then
  local ends = save()
  for _, ban in ipairs(removed) do reserveNames(ban, ends) end
  reserveNames(changed, ends)
end

-- Returns the fields of a sanction that moderators see, as JSON.
local function jsonOf(sanction)
  sanction.members, sanction.network = nil, nil
  return cjson.encode(sanction)
end

local list = {}
for i = 1, math.min(#sanctions, args.sanctionsMax) do list[i] = jsonOf(sanctions[i]) end
return reply('"result":{"kind":"done","sanctions":[' .. table.concat(list, ',') .. ']' ..
  (changed and ',"changed":' .. jsonOf(changed) or '') ..
  (others and ',"others":' .. digits(others) or '') .. '}')

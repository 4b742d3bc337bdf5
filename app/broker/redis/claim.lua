#!lua flags=allow-oom
-- Gives a connecting member the name it still holds, or else the requested name, unless that is
-- empty or taken.
--
-- keys    writes member:*, name:*, networks, network:*, seen, wrote:*, feed; reads ends, moderators
-- args    member, username, key (of that name), optionally tab, network and mac, nameHoldMs,
--         recordTtlMs
-- result  username: the member's name; absent if it holds none and the requested one is empty or
--         taken. bannedMs, instead of a name: how much longer the member or its network is banned

if isFenced() then return replyFenced() end
local member, record = args.member, readMember(args.member)

-- Returns how much longer bans of a network keep the member out, in ms. Only bans imposed before
-- the member first wrote apply to it.
local function networkBanMs(network)
  local longestMs = 0
  if not hasSanctions or not network or isModerator(member) then return 0 end
  local bans = redis.call('HGET', key('ends'), 'network ' .. network) or ''
  local wroteAt = tonumber(redis.call('GET', key('wrote', member)) or math.huge)
  for at, ends in bans:gmatch('(%d+):(%d+)') do
    if wroteAt >= tonumber(at) then longestMs = math.max(longestMs, tonumber(ends) - now) end
  end
  return longestMs
end

local bannedMs = remainingMs('ban', member)
if bannedMs == 0 then bannedMs = networkBanMs(args.network) end
if bannedMs > 0 then return reply('"bannedMs":' .. digits(bannedMs)) end
if record.key and holdsName(record) then
  record['node:' .. node], record.reservedUntil = nil, nil
  redis.call('HDEL', key('member', member), 'reservedUntil')
  -- Published before any later claim runs, so that tabs move in the order of their claims.
  if args.tab and isConnected(record) then
    publish('{"kind":"tab_moved","node":"' .. node .. '","member":"' .. member .. '","tab":' ..
      cjson.encode(args.tab) .. '}')
    redis.call('HSET', key('member', member), 'tabMovedId', digits(feed))
  end
  markConnected(member, record)
  if args.network then keepNetwork(member, args.network) end
  return reply('"username":' .. cjson.encode(record.username))
end
if args.username == '' or isTaken(args.key, member) then return reply() end
giveName(member, record, args.username, args.key)
if args.network then keepNetwork(member, args.network) end
return reply('"username":' .. cjson.encode(args.username))

-- Shared by scripts that check sanctions. The hash `ends` is derived from the sanctions in force:
-- when the last mute and ban of each member end (fields `mute {member}` and `ban {member}`), and
-- when the bans of each network were imposed and end (`network {network}`).

local hasSanctions = tonumber(meta[4] or 0) > now

-- Returns how much longer a mute or ban of a member lasts, in ms; 0 if there is none.
local function remainingMs(kind, member)
  if not hasSanctions then return 0 end
  return math.max(0, tonumber(redis.call('HGET', key('ends'), kind .. ' ' .. member) or 0) - now)
end

-- Returns whether a member has given the current moderator code; `mac` is the HMAC of that code.
local function isModerator(member)
  return args.mac ~= nil and redis.call('HGET', key('moderators'), member) == args.mac
end

-- Returns the ends of mutes and bans as JSON: for each [kind, member, remaining ms, end in ms
-- since 1970].
local function endsJson(ends)
  local list = {}
  for field, at in pairs(ends) do
    local kind, member = field:match('^(%a+) (.+)$')
    if kind ~= 'network' then
      list[#list + 1] = '["' .. kind .. '",' .. cjson.encode(member) .. ',' ..
        digits(math.max(0, at - now)) .. ',' .. at .. ']'
    end
  end
  return '[' .. table.concat(list, ',') .. ']'
end

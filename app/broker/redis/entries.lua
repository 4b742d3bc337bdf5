-- Shared by scripts that add entries: checks drafts and stores the entries. Redis rolls nothing
-- back when a script fails. So everything is checked before anything is written, a room whose keys
-- another program has changed is left alone, and the nonces, which mark drafts as stored, are
-- written last. append.lua describes the rows.

local rooms, roomsAdded = {}, 0

-- Evicts one room of a random sample to make space for another: a room without members whose only
-- entry is a message over a day old, by the earlier of two clocks (prune.lua). Its head stays, so
-- that its offsets are never reused. Returns whether it found one.
local function evictRoom()
  local fullAt = tonumber(redis.call('HGET', key('meta'), 'roomsFullAt') or 0)
  if math.abs(now - fullAt) < 1000 then return false end
  local before, occupied = math.min(now, args.wallNow) - 86400000, {}
  for _, other in ipairs(redis.call('HKEYS', key('nodes'))) do
    for _, field in ipairs(redis.call('HKEYS', key('presence', other))) do
      occupied[field:match('^%S+')] = true
    end
  end
  for _, name in ipairs(redis.call('SRANDMEMBER', key('rooms'), 100)) do
    local stored = redis.pcall('HMGET', key('room', name), 'head', 'first', 'at', 'titleAt',
      'titleLocked')
    if stored[1] and stored[1] == stored[2] and tonumber(stored[3]) < before and
      not stored[4] and not stored[5] and not occupied[name] and not rooms[name] and
      redis.call('EXISTS', key('others', name)) == 0 then
      local first = digits(stored[1] + 1)
      redis.call('DEL', key('log', name), key('text', name))
      redis.call('HSET', key('room', name), 'first', first)
      redis.call('SREM', key('rooms'), name)
      redis.pcall('ZREM', key('recent'), name)
      publish('{"kind":"pruned","room":"' .. name .. '","first":' .. first .. '}')
      return true
    end
  end
  redis.call('HSET', key('meta'), 'roomsFullAt', digits(now))
  return false
end

local function isFull()
  return args.maxRooms > 0 and redis.call('SCARD', key('rooms')) + roomsAdded >= args.maxRooms and
    not evictRoom()
end

-- Returns a room in its state after the drafts so far. `states` has the changed states and edit
-- counts, `messages` the messages and titles added or looked up, and `results` the indexes of the
-- drafts for this room. `isBroken` says that another program has made its keys unusable.
local function openRoom(name)
  if rooms[name] then return rooms[name] end
  local stored = redis.pcall('HMGET', key('room', name), 'head', 'at', 'first', 'titleLocked',
    'titleAt')
  local room = { name = name, states = {}, messages = {}, others = {}, results = {} }
  room.isBroken = stored.err ~= nil or not hasType(key('rooms'), 'set') or
    not hasType(key('text', name), 'hash') or not hasType(key('others', name), 'zset')
  if not room.isBroken then
    room.head, room.at = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
    room.first, room.stored = tonumber(stored[3] or 1), room.head
    room.isEmpty, room.isLocked = room.first > room.head, stored[4] == '1'
    room.titleAt = tonumber(stored[5])
  end
  rooms[name] = room
  return room
end

-- Returns the message or title at an offset, or a falsy value if there is none or it was deleted.
local function messageAt(room, offset)
  local message = room.messages[offset]
  if message == nil and offset >= room.first and offset <= room.stored then
    local entry = entryAt(room, offset)
    local field = digits(offset)
    local state = redis.call('HMGET', key('text', room.name), field, field .. ':edits')
    local author, kind = authorOf(entry and entry[2][6] or '')
    message = {
      member = author, kind = kind,
      isDeleted = not state[1] or state[1]:find('^"amended":%d+,"deletedBy"'),
      edits = tonumber(state[2] or 0),
    }
    room.messages[offset] = message
  end
  return message and message.member and not message.isDeleted and message
end

-- Returns the messages and titles that an edit or a deletion changes, by offset, then nil and a
-- list of the offsets; or nil and the reason for refusing it.
local function findTargets(room, member, action)
  local kind, targets, found = action:match('^%a+'), {}, {}
  for target in action:gmatch('%d+') do
    local offset = tonumber(target)
    local message = not targets[offset] and messageAt(room, offset)
    if message and (kind ~= 'edit' or message.kind == 'message') then
      if message.member ~= member and kind ~= 'moderate' and
        not (kind == 'delete' and isModerator(member)) then
        return nil, 'forbidden'
      end
      if kind == 'edit' and (message.edits or 0) >= args.editsMax then
        return nil, 'edits_exhausted'
      end
      targets[offset] = message
      found[#found + 1] = target
    end
  end
  if #found == 0 then return nil, 'not_found' end
  return targets, nil, found
end

local authors = {}
local function ownsName(member, name)
  local author = member .. ':' .. name
  if authors[author] == nil then authors[author] = not isTaken(name, member) end
  return authors[author]
end

local offsets = {}
local function firstOffset(nonce)
  local stored = redis.pcall('GET', nonce)
  if type(stored) ~= 'string' then return nil end
  local offset, expiresAt = stored:match('^(%d+):(%d+)$')
  return offset and tonumber(expiresAt) > now and offset
end

local entries = {}

-- Applies an edit or a deletion to its targets, in memory.
local function amend(room, targets, entry, kind)
  for target, message in pairs(targets) do
    local field, state = digits(target), '"amended":' .. entry.offset .. ','
    if kind == 'edit' then
      message.edits = (message.edits or 0) + 1
      room.states[field .. ':edits'] = digits(message.edits)
      state = state .. '"editedAt":' .. entry.at .. ',' .. entry.state
    else
      message.isDeleted = true
      state = state .. '"deletedBy":"' .. entry.member .. '"'
    end
    room.states[field] = state
  end
end

-- Adds an entry to a room, in memory. Returns it, or nil and the reason for refusing it.
local function addEntry(room, member, body, text, action)
  local kind = action == 'message' and action or action:match('^%a+')
  local targets, refusal, found
  if kind == 'message' then
    if room.isEmpty and isFull() then return nil, 'rooms_full' end
  elseif room.isEmpty then
    return nil, 'not_found'
  elseif kind == 'title' or kind == 'untitle' then
    local isForModerators = room.isLocked or action ~= 'title'
    if isForModerators and not isModerator(member) then
      return nil, room.isLocked and 'title_locked' or 'forbidden'
    end
    if kind == 'untitle' then
      targets, refusal, found = findTargets(room, member, 'moderate ' .. digits(room.titleAt or 0))
      targets, found = targets or {}, found or {}
    end
  else
    targets, refusal, found = findTargets(room, member, action)
    if refusal then return nil, refusal end
  end
  if room.isEmpty then
    room.isEmpty, room.isNew = false, true
    roomsAdded = roomsAdded + 1
  end
  room.head, room.at = room.head + 1, math.max(now, room.at)
  local offset = digits(room.head)
  local entry = {
    room = room, member = member, offset = offset, at = digits(room.at), body = body, kind = kind,
  }
  if text ~= '' then
    entry.state = '"text":' .. text
  else
    local isUntitled = kind == 'untitle' or targets[room.titleAt or 0] ~= nil
    entry.body = body .. ',"targets":[' .. table.concat(found, ',') .. ']' ..
      (isUntitled and ',"untitled":true' or '')
    if isUntitled then room.title, room.titleAt = '', nil end
  end
  if kind == 'message' or kind == 'title' then room.messages[room.head] = entry end
  if kind ~= 'message' then room.others[#room.others + 1] = offset end
  if targets then
    amend(room, targets, entry, kind)
  else
    room.states[offset] = entry.state
  end
  if kind == 'title' then room.title, room.titleAt = text, room.head end
  if kind == 'title' or kind == 'untitle' then room.isLocked = action:find(' locked$') ~= nil end
  entries[#entries + 1] = entry
  return entry
end

local results = {}
local unavailable = '{"kind":"unavailable"}'

local function isDeletion(action)
  return action:find('^delete') or action:find('^moderate') or action:find('^untitle')
end

local function resultOf(kind, offset)
  return '{"kind":"' .. kind .. '"' .. (offset and ',"offset":' .. offset or '') .. '}'
end

-- Returns the result of a draft whose author is banned or muted, or else nil. Muted members may
-- still delete their messages.
local function sanctionResult(member, action)
  if not hasSanctions or action:find('^moderate') then return nil end
  local kind, retryAfter = 'banned', remainingMs('ban', member)
  if retryAfter == 0 and not action:find('^delete') then
    kind, retryAfter = 'muted', remainingMs('mute', member)
  end
  if retryAfter == 0 then return nil end
  return '{"kind":"' .. kind .. '","retryAfter":' .. digits(retryAfter) .. '}'
end

-- Adds a draft, in memory, and returns its result. `appendRows` replaces the result if the room
-- turns out to be broken.
local function append(name, member, nonce, nameKey, body, text, action)
  local inBatch = offsets[nonce]
  if not inBatch then
    local stored = firstOffset(nonce)
    if stored then return resultOf('repeat', stored) end
    local refused = sanctionResult(member, action)
    if refused then return refused end
    if args.isFull and not isDeletion(action) then return resultOf('storage_full') end
    if not action:find('^moderate') and not ownsName(member, nameKey) then return unavailable end
  end
  local room = openRoom(name)
  room.results[#room.results + 1] = #results + 1
  if inBatch then return resultOf('repeat', inBatch) end
  if room.isBroken then return unavailable end
  local entry, refusal = addEntry(room, member, body, text, action)
  if refusal then return resultOf(refusal) end
  entry.nonce, offsets[nonce] = nonce, entry.offset
  return resultOf('stored', entry.offset)
end

-- Writes states, 500 at a time because Lua limits the number of arguments.
local function setStates(name, states)
  local batch = {}
  for field, state in pairs(states) do
    batch[#batch + 1] = field
    batch[#batch + 1] = state
    if #batch == 1000 or not next(states, field) then
      redis.call('HSET', key('text', name), unpack(batch))
      batch = {}
    end
  end
end

local function setTitle(room)
  redis.call('HDEL', key('room', room.name), 'title', 'titleAt', 'titleLocked')
  if room.titleAt then
    redis.call('HSET', key('room', room.name), 'title', room.title, 'titleAt', digits(room.titleAt))
  end
  if room.isLocked then redis.call('HSET', key('room', room.name), 'titleLocked', 1) end
end

-- Stores the drafts in a list of rows, in order, and publishes the new entries as one event.
-- Returns the results.
local function appendRows(rows, first)
  for i = first, #rows, 7 do
    local nonce = key('nonce', rows[i], rows[i + 1], rows[i + 2])
    results[#results + 1] = append(rows[i], rows[i + 1], nonce, unpack(rows, i + 3, i + 6))
  end
  local published, writers = {}, {}
  for _, entry in ipairs(entries) do
    local room, offset, at = entry.room, entry.offset, entry.at
    -- If any entry of a room fails, the first one does, as later ones have higher ids.
    local added = not room.isBroken and redis.pcall('XADD', key('log', room.name), offset .. '-0',
      'epoch', epoch, 'at', at, 'body', entry.body)
    if not added or added.err then
      room.isBroken = true
      offsets[entry.nonce] = nil
    else
      writers[entry.member] = true
      published[#published + 1] = entryJson(room.name, offset, epoch, at, entry.body, entry.state)
    end
  end
  for name, room in pairs(rooms) do
    if room.isBroken then
      for _, i in ipairs(room.results) do results[i] = unavailable end
    elseif room.head > room.stored then
      redis.call('HSET', key('room', name), 'head', digits(room.head), 'at', digits(room.at))
      markRecent(name, room.at)
      setStates(name, room.states)
      for _, offset in ipairs(room.others) do
        redis.call('ZADD', key('others', name), offset, offset)
      end
      if room.title then setTitle(room) end
      if room.isNew then
        redis.call('HSETNX', key('room', name), 'first', 1)
        redis.call('SADD', key('rooms'), name)
      end
    end
  end
  for member in pairs(writers) do
    local record = key('member', member)
    if redis.pcall('HGET', record, 'hasWritten') == '0' then
      redis.call('HSET', record, 'hasWritten', 1)
      -- Kept for a year after the last claim.
      redis.call('SET', key('wrote', member), digits(now), 'NX', 'PX', '31536000000')
    end
  end
  if #published > 0 then
    publish('{"kind":"entries","entries":[' .. table.concat(published, ',') .. ']}')
  end
  local expiresAt, ttl = digits(now + args.nonceTtlMs), digits(args.nonceTtlMs)
  for nonce, offset in pairs(offsets) do
    redis.call('SET', nonce, offset .. ':' .. expiresAt, 'PX', ttl)
  end
  return results
end

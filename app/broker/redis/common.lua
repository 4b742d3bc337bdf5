-- Inserted at the start of every script. Reads the arguments, determines the epoch, and defines
-- shared functions.
--
-- KEYS[1]   the prefix of all keys (see scripts.ts), left out in the headers of the scripts
-- ARGV[1]   a JSON object: `node` and `link` of the caller, `feedMaxBytes`, optionally `now`
--           (default: the clock of Redis, one for all nodes), and the script's own arguments
-- ARGV[2…]  the rows of scripts that take a list, flattened
-- Result    a JSON object: `epoch`, `feed` (id of the last event), and the script's own fields; or
--           `fenced` instead

local prefix, args = KEYS[1], cjson.decode(ARGV[1])
local node = args.node
local clock = redis.call('TIME')
local now = args.now or (clock[1] * 1000 + math.floor(clock[2] / 1000))

local function key(...) return prefix .. table.concat({...}, ':') end

-- Formats an integer. By default, Lua prints large numbers in scientific notation.
local function digits(number) return string.format('%.0f', number) end

local meta = redis.call('HMGET', key('meta'), 'run', 'epoch', 'feed', 'sanctionsEnd')
local epoch, feed = meta[2], tonumber(meta[3] or 0)

-- Starts a new epoch if Redis has restarted, because it may have lost the end of the log or all of
-- it. Runs only when a node registers, as a restart ends all links, and when the epoch is missing,
-- as in an emptied Redis: INFO takes as long as the rest of a script.
local function checkRun()
  local run = redis.call('INFO', 'server'):match('run_id:(%x+)')
  if meta[1] == run then return end
  epoch = redis.sha1hex(run .. clock[1] .. '.' .. clock[2]):sub(1, 16)
  redis.call('HSET', key('meta'), 'run', run, 'epoch', epoch)
  redis.call('SADD', key('epochs'), epoch)
end
if not epoch then checkRun() end

-- Returns whether a key is missing or has this type.
local function hasType(name, expected)
  local found = redis.call('TYPE', name).ok
  return found == 'none' or found == expected
end

-- Makes the feed usable again after another program has written to it. Nodes then find a gap and
-- catch up from the logs.
local function repairFeed()
  if not hasType(key('feed'), 'stream') then redis.call('DEL', key('feed')) end
  if redis.call('EXISTS', key('feed')) == 0 then return end
  local info = redis.call('XINFO', 'STREAM', key('feed'))
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then
      feed = math.max(feed, tonumber(info[i + 1]:match('^%d+')))
    end
  end
end

-- Appends an event to the feed. Its id is the number of bytes published so far, so the feed can be
-- trimmed by size. `after` is the id of the previous event, so a reader can detect a gap.
local function publish(event)
  local function add()
    local after = feed
    feed = feed + #event
    return redis.pcall('XADD', key('feed'), 'MINID', '~',
      digits(math.max(0, feed - args.feedMaxBytes)), digits(feed) .. '-0',
      'after', digits(after), 'event', event)
  end
  if type(add()) ~= 'string' then
    repairFeed()
    add()
  end
  redis.call('HSET', key('meta'), 'feed', digits(feed))
end

-- Records when a room with messages was last used, unless it is private.
local function markRecent(room, at)
  if room:sub(1, 2) ~= 'p-' then redis.pcall('ZADD', key('recent'), digits(at), room) end
end

-- Returns the script's result. `fields` holds the script's own fields, as JSON without braces.
local function reply(fields)
  local own = fields and ',' .. fields or ''
  return '{"epoch":"' .. epoch .. '","feed":' .. digits(feed) .. own .. '}'
end

local function isRegistered(other) return redis.call('HEXISTS', key('nodes'), other) == 1 end

-- Returns whether the node's lease has expired; other members may hold its members' names by now.
-- Also true for a command sent through a link that the node has since replaced.
local function isFenced() return redis.call('HGET', key('nodes'), node) ~= args.link end
local function replyFenced() return reply('"fenced":true') end

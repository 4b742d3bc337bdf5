#!lua flags=allow-oom
-- Makes a member a moderator, or only checks whether it is one.
--
-- keys    writes moderators
-- args    member, mac (an HMAC of the moderator code), isNew
-- result  isModerator

if isFenced() then return replyFenced() end
if args.isNew then redis.call('HSET', key('moderators'), args.member, args.mac) end
return reply('"isModerator":' .. tostring(isModerator(args.member)))

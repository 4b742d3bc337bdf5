#!lua
-- Writes one field. Fails where storing a message would fail, on a full Redis for one.
--
-- keys    writes meta

redis.call('HSET', key('meta'), 'probedAt', digits(now))
return reply()

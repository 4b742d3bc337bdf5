#!lua
-- Writes one field. Fails if storing a message would fail, for example because Redis is full.
--
-- keys    writes meta

redis.call('HSET', key('meta'), 'probedAt', digits(now))
return reply()

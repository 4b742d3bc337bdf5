#!lua flags=allow-oom
-- Returns whether a member holds a name.
--
-- keys    reads member:*
-- args    member
-- result  holds

return reply('"holds":' .. tostring(holdsName(readMember(args.member))))

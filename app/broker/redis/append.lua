#!lua
-- Appends drafts to the logs of their rooms, in order, and publishes the new entries as one event.
--
-- keys    reads name:*, presence:*, ends, moderators; writes log:*, text:*, others:*, room:*,
--         rooms, recent, meta, nonce:*, member:*, wrote:*, feed
-- args    maxRooms (0: no limit), nonceTtlMs, editsMax, wallNow (the caller's clock), isFull (only
--         deletions are stored), optionally mac
-- rows    room, member, nonce, key of the author's name, body (rooms.lua; without the targets of a
--         deletion), text as JSON (empty for a deletion), and the action: `message`, `title`,
--         `untitle`, which deletes the title's entry, either of these with ` locked`,
--         `edit {offset}`, `delete {offset}…` or `moderate {offset}…`, which also deletes other
--         members' entries, and which no sanction stops
-- result  results: for each draft { kind, offset } with kind stored, repeat, unavailable,
--         rooms_full, storage_full, forbidden, not_found, edits_exhausted or title_locked; or
--         { kind, retryAfter } with kind muted or banned

if isFenced() then return replyFenced() end
return reply('"results":[' .. table.concat(appendRows(ARGV, 2), ',') .. ']')

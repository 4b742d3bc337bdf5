// Sweeps: pending deletions of members' messages and titles since a time, in steps that a restart
// resumes.

import type { DeleteDraft, Moderator } from "../../chat/broker.ts";
import type { DatabaseFile } from "./database.ts";

/** Rooms and entries that one step visits. */
const stepRooms = 50;
const stepEntries = 500;

const sql = {
  add: "INSERT INTO sweeps (members, since, member, username) VALUES (?, ?, ?, ?)",
  // `room` is the last room visited. Its entries before `before` are left; none if that is 0.
  next: "SELECT id, members, since, member, username, room, before FROM sweeps ORDER BY id LIMIT 1",
  advance: "UPDATE sweeps SET room = ?, before = ? WHERE id = ?",
  remove: "DELETE FROM sweeps WHERE id = ?",
  room: "SELECT id, name, first, head FROM rooms WHERE id = ?",
  nextRoom: `SELECT id, name, first, head FROM rooms WHERE id > ? AND at >= ? AND head >= first
             ORDER BY id LIMIT 1`,
  // The entry where the sweep of the room ends, and entries to delete.
  entries: `SELECT offset, at < ?4 AS isEarlier FROM entries
            WHERE room = ?1 AND offset < ?2 AND offset >= ?3 AND (at < ?4 OR kind IN (0, 3) AND
              text IS NOT NULL AND member IN (SELECT value FROM json_each(?5)))
            ORDER BY offset DESC`,
} as const;

/** Adds a sweep of the messages of `members` since a time, in the name of a moderator. */
export function addSweep(
  file: DatabaseFile,
  members: readonly string[],
  since: number,
  { member, username }: Moderator,
): void {
  file.run(sql.add, JSON.stringify(members), since, member, username);
}

/**
 * Takes one step of the oldest sweep, through up to `stepEntries` entries and `max` of the messages
 * to delete. Returns the deletions to append in the same transaction, one per room, and whether
 * more may be left.
 */
export function sweepStep(
  file: DatabaseFile,
  max: number,
): { readonly drafts: readonly DeleteDraft[]; readonly hasMore: boolean } {
  const drafts: DeleteDraft[] = [];
  const sweep = file.get(sql.next);
  if (sweep === undefined) return { drafts, hasMore: false };
  const id = Number(sweep.id);
  const since = Number(sweep.since);
  const members = String(sweep.members);
  let [room, before] = [Number(sweep.room), Number(sweep.before)];
  let [entriesLeft, messagesLeft] = [stepEntries, max];
  for (let rooms = 0; rooms < stepRooms && entriesLeft > 0 && messagesLeft > 0; rooms++) {
    // The room may have been removed since the last step.
    const same = before > 0 ? file.get(sql.room, room) : undefined;
    if (same === undefined) before = 0;
    const found = same ?? file.get(sql.nextRoom, room, since);
    if (found === undefined) {
      file.run(sql.remove, id);
      return { drafts, hasMore: true };
    }
    room = Number(found.id);
    const first = Number(found.first);
    const end = before || Number(found.head) + 1;
    const start = Math.min(end, Math.max(first, end - entriesLeft));
    before = start > first ? start : 0;
    const targets: number[] = [];
    // The offset where reading stopped.
    let last = start;
    const rows = file.prepare(sql.entries).iterate(room, end, start, since, members);
    for (const { offset, isEarlier } of rows) {
      last = Number(offset);
      if (isEarlier === 1) {
        before = 0;
        break;
      }
      targets.push(last);
      if (targets.length === messagesLeft) {
        before = last;
        break;
      }
    }
    entriesLeft -= end - last;
    messagesLeft -= targets.length;
    if (targets.length === 0) continue;
    drafts.push({
      type: "delete",
      room: String(found.name),
      member: String(sweep.member),
      from: String(sweep.username),
      targets: targets.reverse(),
      // A message is deleted only once, so no other sweep uses this nonce. Clients can't use a dot.
      nonce: `sweep.${targets[0]}`,
      isModerator: true,
    });
  }
  file.run(sql.advance, room, before, id);
  return { drafts, hasMore: true };
}

// Search without an index: scans the newest messages of one room, or of the newest rooms.

import type { Broker, MessageEntry, SearchPage, SearchRequest } from "../chat/broker.ts";
import { matchesOf } from "../protocol/search.ts";
import { isPrivateRoom } from "../protocol/text.ts";
import { hubLimits } from "../protocol/wire.ts";

/** Max pages of 100 messages to read, from a single room and from each of several. */
const pagesOfOne = 20;
const pagesOfEach = 3;
const maxRooms = 20;

/**
 * Finds messages. It finds every match from the time `since` on. Returns `undefined` if `before`
 * is not the `next` of an earlier scan.
 */
export async function scan(
  broker: Pick<Broker, "read" | "newestRooms">,
  { query, before, limit }: SearchRequest,
): Promise<SearchPage | undefined> {
  if (before !== undefined && !/^\d{1,15}_\d{1,15}$/.test(before)) return undefined;
  const found: MessageEntry[] = [];
  let since = -Infinity;
  const newest = query.room === undefined ? await broker.newestRooms(maxRooms) : [];
  if (newest.length === maxRooms) since = newest.at(-1)?.at ?? since;
  const rooms = query.room === undefined ? newest.map(({ room }) => room) : [query.room];
  for (const room of rooms.filter((room) => !isPrivateRoom(room))) {
    let from = Number.MAX_SAFE_INTEGER;
    for (let pages = rooms.length === 1 ? pagesOfOne : pagesOfEach; pages > 0; pages--) {
      const { entries, first } = await broker.read(room, {
        before: from,
        limit: hubLimits.historyMax,
        maxBytes: hubLimits.pageMaxBytes,
      });
      for (const entry of entries) {
        if (entry.type !== "message" || entry.text === undefined) continue;
        const { from, text } = entry;
        if (matchesOf(query, { from, text }) !== undefined) found.push(entry);
      }
      const oldest = entries[0];
      if (oldest === undefined || oldest.offset <= first) break;
      from = oldest.offset;
      if (pages === 1) since = Math.max(since, oldest.at);
    }
  }
  const [at, offset] = (before ?? "").split("_").map(Number);
  const older = found
    .filter((message) =>
      at === undefined || offset === undefined || message.at < at ||
      message.at === at && message.offset < offset
    )
    .sort((a, b) => b.at - a.at || b.offset - a.offset);
  const messages = older.slice(0, limit);
  const last = messages.at(-1);
  return {
    messages,
    ...(older.length > limit && last !== undefined ? { next: `${last.at}_${last.offset}` } : {}),
    ...(since > -Infinity ? { since } : {}),
  };
}

// Search without an index: scans the newest messages of one room, or of the newest rooms.

import type { Broker, MessageEntry, SearchPage, SearchRequest } from "../chat/broker.ts";
import { matchesOf } from "../protocol/search.ts";
import { isPrivateRoom } from "../protocol/text.ts";
import { hubLimits } from "../protocol/wire.ts";

/** Max pages of 100 messages to read, from a single room and from each of several. */
const pagesOfOne = 20;
const pagesOfEach = 3;
const maxRooms = 20;
/** Max time of a scan, not counting the pauses between steps. */
const scanMaxMs = 250;
/** A scan pauses after this time. */
const stepMs = 5;
const maxOffset = 999_999_999_999_999;

/** A room that is being scanned, from its newest message back. */
interface Cursor {
  readonly room: string;
  /** Offset and time of the oldest entry read. */
  from: number;
  at: number;
  pagesLeft: number;
  /** Whether older entries are stored. */
  hasMore: boolean;
}

/**
 * Finds messages: every match from the returned time `since` on. Returns `undefined` if `before` is
 * not the `next` of an earlier scan. `pause` lets other tasks run after each step.
 */
export async function scan(
  broker: Pick<Broker, "read" | "newestRooms">,
  { query, before, limit }: SearchRequest,
  pause: (stepMs: number) => Promise<void>,
  now = () => performance.now(),
): Promise<SearchPage | undefined> {
  if (before !== undefined && !/^\d{1,15}_\d{1,15}$/.test(before)) return undefined;
  const [beforeAt = Infinity, beforeOffset = 0] = before?.split("_").map(Number) ?? [];
  const newest = query.room === undefined ? await broker.newestRooms(maxRooms) : [];
  const rooms = query.room === undefined ? newest : [{ room: query.room, at: Infinity }];
  const cursors = rooms.filter(({ room }) => !isPrivateRoom(room)).map(({ room, at }): Cursor => {
    const pagesLeft = query.room === undefined ? pagesOfEach : pagesOfOne;
    return { room, from: Number.MAX_SAFE_INTEGER, at, pagesLeft, hasMore: true };
  });
  const pending = () => cursors.filter(({ pagesLeft }) => pagesLeft > 0);
  let found: MessageEntry[] = [];
  let busyMs = 0;
  /** Whether time is up. */
  let isStopped = false;
  // The room with the newest unread entries is next, so that a scan can stop at any time.
  while (true) {
    const cursor = newestOf(pending());
    if (cursor === undefined) break;
    const isFull = found.length > limit && (found[limit]?.at ?? 0) > cursor.at;
    // A scan must get further than the one that it continues.
    isStopped = busyMs >= scanMaxMs && cursor.at < beforeAt;
    if (isFull || isStopped) break;
    const { entries, first } = await broker.read(cursor.room, {
      before: cursor.from,
      limit: hubLimits.historyMax,
      maxBytes: hubLimits.pageMaxBytes,
    });
    let startedAt = now();
    for (const entry of entries) {
      if (entry.type !== "message" || entry.text === undefined) continue;
      const { from, text, at, offset } = entry;
      if (at > beforeAt || at === beforeAt && offset >= beforeOffset) continue;
      if (matchesOf(query, { from, text }) !== undefined) found.push(entry);
      const ms = now() - startedAt;
      if (ms < stepMs) continue;
      busyMs += ms;
      await pause(ms);
      startedAt = now();
    }
    found.sort((a, b) => b.at - a.at || b.offset - a.offset);
    busyMs += now() - startedAt;
    const oldest = entries[0];
    cursor.hasMore = oldest !== undefined && oldest.offset > first;
    cursor.pagesLeft = cursor.hasMore ? cursor.pagesLeft - 1 : 0;
    if (oldest !== undefined) Object.assign(cursor, { from: oldest.offset, at: oldest.at });
  }
  const unread = cursors.filter((cursor) =>
    cursor.hasMore && (isStopped || cursor.pagesLeft === 0)
  );
  const since = Math.max(
    newestOf(unread)?.at ?? -Infinity,
    newest.length === maxRooms ? newest.at(-1)?.at ?? -Infinity : -Infinity,
  );
  /** Where the next scan continues. Rooms that this one has finished don't hold it back. */
  const stoppedAt = isStopped ? newestOf(pending())?.at ?? since : -Infinity;
  // The next scan will find anything older again.
  found = found.filter(({ at }) => at > stoppedAt);
  const messages = found.slice(0, limit);
  const last = messages.at(-1);
  const next = found.length > limit && last !== undefined
    ? `${last.at}_${last.offset}`
    : isStopped
    ? `${stoppedAt}_${maxOffset}`
    : undefined;
  return {
    messages,
    busyMs,
    ...(next === undefined ? {} : { next }),
    ...(since > -Infinity ? { since } : {}),
  };
}

function newestOf(cursors: readonly Cursor[]): Cursor | undefined {
  return cursors.reduce<Cursor | undefined>(
    (newest, cursor) => newest === undefined || cursor.at > newest.at ? cursor : newest,
    undefined,
  );
}

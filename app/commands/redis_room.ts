// One room of a chat in Redis, for `parley export` and `remove-room`. Servers may be using it.

import { feedMaxBytes } from "../broker/redis/scripts.ts";
import type { ArchiveItem } from "./chat_archive.ts";
import { ChatKeys } from "./chat_keys.ts";

const pageEntries = 500;
/** Max messages removed per script call, which blocks Redis for the servers. */
const removedAtOnce = 5_000;

/**
 * Yields the messages that a room has when the export starts, oldest first.
 *
 * @throws {Error} If the room has no messages, or Redis cannot be used.
 */
export async function* readRedisRoom(
  url: string,
  prefix: string,
  room: string,
): AsyncGenerator<ArchiveItem<"message">> {
  await using keys = await ChatKeys.open(url, prefix);
  const range = await findRoom(keys, room, "export");
  for await (const entry of entriesOf(keys, { room, ...range })) {
    if (entry.kind === "message") yield entry;
  }
}

/**
 * Removes all messages of a room. Servers are notified as if the messages had expired.
 *
 * @throws {Error} If the room has no messages, or Redis cannot be used.
 */
export async function removeRedisRoom(url: string, prefix: string, room: string): Promise<void> {
  await using keys = await ChatKeys.open(url, prefix);
  await findRoom(keys, room, "remove");
  const args = {
    node: keys.link.name,
    link: keys.link.name,
    feedMaxBytes,
    retentionDays: 0,
    retentionMessages: 0,
    maxEntries: removedAtOnce,
    wallNow: Date.now(),
    removesAll: true,
  } as const;
  let hasMore = true;
  while (hasMore) hasMore = (await keys.link.run("prune", args, [[room]])).entriesLeft === 0;
}

async function findRoom(
  keys: ChatKeys,
  room: string,
  verb: "export" | "remove",
): Promise<{ first: number; head: number }> {
  const [first = 1, head = 0] = await keys.fields(keys.key("room", room), "first", "head");
  const range = { first: Number(first), head: Number(head) };
  if (range.first > range.head) throw new Error(`Cannot ${verb} ${room}: it has no messages`);
  return range;
}

/** Yields the entries of a room from `first` to `head` that still exist. */
export async function* entriesOf(
  keys: ChatKeys,
  { room, first, head }: { readonly room: string; readonly first: number; readonly head: number },
): AsyncGenerator<ArchiveItem> {
  for (let from = first; from <= head;) {
    const range = [keys.key("log", room), `${from}-0`, `${head}-0`];
    const page = await keys.send("XRANGE", ...range, "COUNT", pageEntries);
    const entries = page as readonly (readonly [string, readonly string[]])[];
    if (entries.length === 0) return;
    const offsets = entries.map(([id]) => String(Number.parseInt(id)));
    const states = await keys.fields(keys.key("text", room), ...offsets);
    for (const [i, [id, [, epoch = "", , at, , body]]] of entries.entries()) {
      const offset = Number.parseInt(id);
      const state = states[i] === undefined ? "" : `,${states[i]}`;
      const { type: kind, member, from: name, text, nonce, ...rest } = JSON.parse(
        `{${body}${state}}`,
      );
      const fields = { offset, epoch, at: Number(at), member, from: name, text, nonce, ...rest };
      yield { kind, room, ...fields };
      from = offset + 1;
    }
  }
}

// Exports a chat from Redis, and imports one into Redis.

import { connectError } from "../broker/redis/connect_error.ts";
import { entryBody, entryState, nonceTtlMs } from "../broker/redis/scripts.ts";
import type { Entry } from "../chat/broker.ts";
import { hubLimits } from "../protocol/wire.ts";
import { usernameKey } from "../protocol/names.ts";
import { isEntry } from "./chat_archive.ts";
import type { ArchiveItem, ArchiveSource, ArchiveTarget } from "./chat_archive.ts";
import { ChatKeys } from "./chat_keys.ts";
import { entriesOf } from "./redis_room.ts";

/** Opens a chat in Redis for export. */
export async function openRedisSource(
  url: string,
  prefix: string,
  nameHoldMs: number,
): Promise<ArchiveSource> {
  const keys = await ChatKeys.open(url, prefix, "offline");
  const items = async function* (): AsyncGenerator<ArchiveItem> {
    const firsts = new Map<string, number>();
    for await (const name of distinct(keys.scan("room:*"))) {
      const room = name.slice(keys.key("room:").length);
      const fields = ["first", "head", "at", "title", "titleAt", "titleLocked"];
      const [first, head, at, title, titleAt, titleLocked] = await keys.fields(name, ...fields);
      const item: ArchiveItem<"room"> = {
        kind: "room",
        room,
        first: Number(first),
        head: Number(head),
        at: Number(at),
        ...(title === undefined ? {} : { title: JSON.parse(title) }),
        ...(titleAt === undefined ? {} : { titleAt: Number(titleAt) }),
        ...(titleLocked === "1" && { titleLocked: true }),
      };
      firsts.set(room, item.first);
      yield item;
      let next = item.first;
      for await (const entry of entriesOf(keys, item)) {
        yield entry;
        next++;
      }
      if (next <= item.head) throw new Error(`Cannot export ${room}: an entry is missing`);
    }
    for await (const name of distinct(keys.scan("nonce:*"))) {
      const [, room = "", member = "", nonce = ""] =
        /^([^:]*):([^:]*):(.*)$/s.exec(name.slice(keys.key("nonce:").length)) ?? [];
      const first = firsts.get(room) ?? 1;
      if (first === 1) continue;
      const [offset, expiresAt] = String(await keys.send("GET", name)).split(":").map(Number);
      if (offset === undefined || !(offset < first)) continue;
      yield { kind: "nonce", room, member, nonce, offset, at: Number(expiresAt) - nonceTtlMs };
    }
    for await (const name of distinct(keys.scan("member:*"))) {
      const [username, formerKey = "", wrote, heldUntil, readerHeldUntil] = await keys
        .fields(name, "username", "formerKey", "hasWritten", "heldUntil", "readerHeldUntil");
      if (username === undefined) continue;
      const hasWritten = wrote === "1";
      // A member that was connected when its server died has not been released.
      const releasedAt = readerHeldUntil ??
        Date.now() + Math.min(nameHoldMs, hubLimits.readerHoldMs);
      yield {
        kind: "name",
        member: name.slice(keys.key("member:").length),
        username,
        formerKey,
        hasWritten,
        heldUntil: Math.max(Number(releasedAt), hasWritten ? Number(heldUntil) : 0),
      };
    }
  };
  return { items, [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose]() };
}

async function* distinct(batches: AsyncIterable<readonly string[]>): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const batch of batches) {
    for (const key of batch) {
      if (!seen.has(key)) yield key;
      seen.add(key);
    }
  }
}

/**
 * Prepares an empty chat in Redis, removing the remains of an interrupted import. No server starts
 * on this chat until the import is complete.
 *
 * @throws {Error} If the chat has messages, or a server is using it.
 */
export async function openRedisTarget(url: string, prefix: string): Promise<ArchiveTarget> {
  const keys = await ChatKeys.open(url, prefix, "offline");
  const removeAll = async () => {
    for await (const batch of keys.scan("*")) {
      if (batch.length > 0) await keys.send("UNLINK", ...batch);
    }
  };
  try {
    const [isUnfinished] = await keys.fields(keys.key("meta"), "importing");
    if (isUnfinished === undefined && await keys.send("SCARD", keys.key("rooms")) !== 0) {
      const reason = `it already has a chat; use another database, or remove the keys ${prefix}*`;
      throw connectError(url, prefix, reason);
    }
    await removeAll();
    await keys.send("HSET", keys.key("meta"), "importing", 1);
  } catch (error) {
    await keys[Symbol.asyncDispose]();
    throw error;
  }
  let isComplete = false;
  return {
    write: async (items) => {
      const commands = items.flatMap((item) => commandsFor(keys, item));
      await Promise.all(commands.map(([name = "", ...args]) => keys.send(String(name), ...args)));
    },
    complete: async () => {
      await keys.send("HDEL", keys.key("meta"), "importing");
      isComplete = true;
    },
    [Symbol.asyncDispose]: async () => {
      if (!isComplete) await removeAll();
      await keys[Symbol.asyncDispose]();
    },
  };
}

type Command = readonly (string | number)[];

function commandsFor(keys: ChatKeys, item: ArchiveItem): readonly Command[] {
  if (isEntry(item)) {
    const { kind: type, ...fields } = item;
    return entryCommands(keys, { type, ...fields } as Entry);
  }
  switch (item.kind) {
    case "room": {
      const { room, first, head, at, title, titleAt, titleLocked } = item;
      const fields = ["first", first, "head", head, "at", at];
      if (title !== undefined) fields.push("title", JSON.stringify(title));
      if (titleAt !== undefined) fields.push("titleAt", titleAt);
      if (titleLocked === true) fields.push("titleLocked", "1");
      const hash = ["HSET", keys.key("room", room), ...fields];
      return first > head ? [hash] : [hash, ["SADD", keys.key("rooms"), room]];
    }
    case "nonce":
      return nonceCommands(keys, item);
    case "name":
      return nameCommands(keys, item);
  }
}

function entryCommands(keys: ChatKeys, entry: Entry): readonly Command[] {
  const { type, room, offset, epoch, at } = entry;
  const text = keys.key("text", room);
  const fields = ["epoch", epoch, "at", at, "body", entryBody(entry)];
  const commands: Command[] = [
    ["SADD", keys.key("epochs"), epoch],
    ["XADD", keys.key("log", room), `${offset}-0`, ...fields],
    ...nonceCommands(keys, { ...entry, kind: "nonce" }),
  ];
  if (type !== "message") commands.push(["ZADD", keys.key("others", room), offset, offset]);
  if (type === "message" || type === "title") {
    commands.push(["HSET", text, offset, entryState(entry)]);
  }
  if (type === "edit") commands.push(["HINCRBY", text, `${entry.target}:edits`, 1]);
  return commands;
}

function nonceCommands(
  keys: ChatKeys,
  { room, member, nonce, offset, at }: ArchiveItem<"nonce">,
): readonly Command[] {
  const expiresAt = at + nonceTtlMs;
  if (expiresAt <= Date.now()) return [];
  const key = keys.key("nonce", room, member, nonce);
  return [["SET", key, `${offset}:${expiresAt}`, "PXAT", expiresAt]];
}

function nameCommands(
  keys: ChatKeys,
  { member, username, formerKey, hasWritten, heldUntil }: ArchiveItem<"name">,
): readonly Command[] {
  const record = keys.key("member", member);
  const nameKeys = [usernameKey(username), formerKey].filter((key) => key !== "");
  const wrote = ["hasWritten", Number(hasWritten), "heldUntil", heldUntil];
  const held = ["username", username, "readerHeldUntil", heldUntil, ...wrote];
  return [
    ["HSET", record, "key", usernameKey(username), ...held],
    ...(formerKey === "" ? [] : [["HSET", record, "formerKey", formerKey]]),
    ...nameKeys.map((key) => ["SET", keys.key("name", key), member, "PXAT", heldUntil]),
    ["PEXPIREAT", record, heldUntil],
  ];
}

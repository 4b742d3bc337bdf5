// export-chat and import-chat: a chat moves from SQLite to Redis and back, and nothing else
// changes.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import type { Broker, Page } from "../../../app/chat/broker.ts";
import type { Position } from "../../../app/protocol/wire.ts";
import { exportChat, importChat } from "../../../app/commands/chat_archive.ts";
import { openRedisSource, openRedisTarget } from "../../../app/commands/redis_archive.ts";
import { openSqliteSource, openSqliteTarget } from "../../../app/commands/sqlite_archive.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { BrokerNode, redisOptions, testKey, testWithRedis } from "../../support/broker_node.ts";
import { until } from "../../support/waiting.ts";
import { databaseFolder } from "../../support/database_folder.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";
import { draft } from "../broker/broker_contract.ts";
import { deletion, edit, title } from "../broker/entries_contract.ts";

const holdMs = 86_400_000;
const prefix = testKey("");
const odd = '\u2028 two\nlines, \u{1f600} and "quotes"';

const oddDraft = (nonce: string) => draft(`${nonce} ${odd}`, { nonce });

/** Fills a database whose lobby has lost its first three messages, in two epochs. */
function fillDatabase(path: string): readonly Position[] {
  const positions: Position[] = [];
  const settings = { ...optionsFor(path), now: Date.now, retentionMessages: 2, nameHoldMs: holdMs };
  for (const epoch of ["a", "b"]) {
    const broker = new SqliteBroker(settings);
    broker.claim("ada", "Ada");
    for (let i = 0; i < 3; i++) broker.append([oddDraft(`${epoch}${i}`)]);
    broker.append([draft(epoch, { room: "tea" })]);
    broker.prune();
    for (const room of ["lobby", "tea"]) {
      positions.push(broker.read(room, { before: Infinity, limit: 1, maxBytes: 1 }).head);
    }
    broker.claim("ben", "Ben");
    broker.rename("ada", `Ada ${epoch}`);
    broker.release("ben");
    broker.release("ada");
    broker.close();
  }
  return positions;
}

/** Checks that a broker has what `fillDatabase` stored. */
async function checkChat(broker: Broker, positions: readonly Position[]): Promise<void> {
  broker.subscribe({ entries: () => {}, pruned: () => {} });
  const all = { limit: 100, maxBytes: 1e6 };
  const lobby = await broker.read("lobby", { before: Infinity, ...all });
  assertEquals(lobby.entries.map(({ offset, text, from }) => [offset, text, from]), [
    [5, `b1 ${odd}`, "Ada"],
    [6, `b2 ${odd}`, "Ada"],
  ]);
  assertEquals([lobby.first, lobby.head.offset], [5, 6]);
  for (const [i, after] of positions.entries()) {
    const room = i % 2 === 0 ? "lobby" : "tea";
    // No message is left of the epoch of the first position in the lobby.
    assertEquals((await broker.read(room, { after, ...all })).valid, i !== 0, `position ${i}`);
  }
  // A removed message, one that is kept, and a new one.
  assertEquals(
    await broker.append([oddDraft("a0"), oddDraft("b2"), draft("new")]),
    [
      { kind: "repeat", offset: 1 },
      { kind: "repeat", offset: 6 },
      { kind: "stored", offset: 7 },
    ],
  );
  for (const name of ["Ada b", "Ada a", "Ben"]) {
    assertEquals(await broker.claim("cleo", name), undefined, name);
  }
  assertEquals(await broker.claim("ada", "Another"), "Ada b");
}

async function linesOf(file: string): Promise<readonly string[]> {
  return (await Deno.readTextFile(file)).trimEnd().split("\n").toSorted();
}

testWithRedis(
  "export-chat and import-chat move a chat from SQLite to Redis and back",
  async ({ url }) => {
    await using folder = await databaseFolder();
    const positions = fillDatabase(folder.path);
    const [first, second] = [`${folder.dir}/first.jsonl`, `${folder.dir}/second.jsonl`];
    {
      await using source = await openSqliteSource(folder.path, holdMs);
      assertEquals(await exportChat(source, first), 4);
      await using target = await openRedisTarget(url, prefix);
      assertEquals(await importChat(first, target, holdMs), 4);
    }
    {
      await using source = await openRedisSource(url, prefix, holdMs);
      assertEquals(await exportChat(source, second), 4);
    }
    assertEquals(await linesOf(second), await linesOf(first));
    const redis = await RedisBroker.open(redisOptions(url, { leaseMs: 300 }));
    await checkChat(redis, positions);
    await redis.close();
    const back = `${folder.dir}/back.db`;
    {
      await using target = await openSqliteTarget(back);
      await importChat(second, target, holdMs);
    }
    const sqlite = new SqliteBroker({ ...optionsFor(back), now: Date.now, nameHoldMs: holdMs });
    await checkChat(sqlite, positions);
    sqlite.close();
  },
);

const message = { kind: "message", room: "lobby", offset: 1, epoch: "e", at: 1, member: "ada" };
const first = { ...message, from: "Ada", nonce: "n1", text: "one" };
const second = { ...message, offset: 2, from: "Ada", nonce: "n2" };
const room = { kind: "room", room: "lobby", first: 1, head: 2, at: 1 };
const name = {
  kind: "name",
  member: "ada",
  username: "Ada",
  formerKey: "",
  hasWritten: true,
  heldUntil: 1,
};

/** Writes an archive with these lines. Returns its path. */
async function archiveOf(dir: string, items: readonly object[]): Promise<string> {
  const lines = [{ kind: "parley", version: 1 }, ...items, { kind: "end", items: items.length }];
  const file = `${dir}/chat.jsonl`;
  await Deno.writeTextFile(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return file;
}

/** Reads a chat with these lines, and returns the number of messages or why it is refused. */
async function importLines(dir: string, items: readonly object[]): Promise<number | string> {
  const file = await archiveOf(dir, items);
  const nothing = () => Promise.resolve();
  const target = { write: nothing, complete: nothing, [Symbol.asyncDispose]: nothing };
  try {
    return await importChat(file, target, holdMs);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

Deno.test("import-chat refuses everything that a server would not have stored", async () => {
  await using folder = await databaseFolder();
  const chat = (change: object) => [{ ...room, head: 1 }, { ...first, ...change }];
  const two = (change: object) => [room, first, { ...second, ...change }];
  const hostile: readonly (readonly object[])[] = [
    chat({ from: "Ada\n2026-01-01 00:00:00 Root" }),
    chat({ from: "\u202eadA" }),
    chat({ text: "a".repeat(4_001) }),
    chat({ text: "a\x1b[31m" }),
    chat({ text: "" }),
    chat({ epoch: "e\nevent: evil" }),
    chat({ epoch: "a:1" }),
    chat({ nonce: "n".repeat(65) }),
    chat({ member: "<script>" }),
    chat({ reply: 0 }),
    chat({ reply: 2 ** 53 }),
    chat({ amended: 9 }),
    chat({ amended: 1 }),
    [{ ...room, first: 1e15, head: 1e15 }, { ...first, offset: 1e15 }],
    [{ ...room, first: 0, head: 0 }, { ...first, offset: 0 }],
    [{ ...room, first: 9, head: 1 }],
    [{ ...room, head: 1, title: "\u202eevil", titleAt: 1 }, first],
    [{ ...room, head: 1, title: "x", titleAt: 2 }, first],
    [{ ...room, room: "p-a", head: 1 }, { ...first, room: "p-a" }],
    two({ kind: "edit", target: 2 }),
    two({ kind: "delete", targets: [3] }),
    two({ kind: "title", text: "x".repeat(61) }),
    [room, first],
    [{ ...room, head: 1 }, { ...first, room: "tea" }],
    [{ ...room, room: "Tea", head: 1 }, { ...first, room: "Tea" }],
    [{ ...room, first: 1, head: 0 }, { ...room, first: 1, head: 0 }],
    [{ ...name, username: "Ada\nBen" }],
    [{ ...name, username: "" }],
    [{ ...name, formerKey: "k".repeat(1_025) }],
    chat({ extra: "x".repeat(1_048_576) }),
  ];
  for (const items of hostile) {
    const result = await importLines(folder.dir, items);
    assert(typeof result === "string", `imported: ${JSON.stringify(items).slice(0, 200)}`);
  }
  assertEquals(await importLines(folder.dir, [{ ...room, head: 1 }, { ...first, type: "x" }]), 1);
});

Deno.test("export-chat exports one state of a chat, while a server prunes it", async () => {
  await using folder = await databaseFolder();
  fillDatabase(folder.path);
  const options = optionsFor(folder.path, { ms: Date.now() }, { retentionMessages: 1 });
  const broker = new SqliteBroker(options);
  await using source = await openSqliteSource(folder.path, holdMs);
  let messages = 0;
  for await (const { kind } of source.items()) {
    if (kind === "room") { while (broker.prune()); }
    if (kind === "message") messages++;
  }
  broker.close();
  assertEquals(messages, 4);
});

Deno.test("import-chat reads a file that was copied with CRLF", async () => {
  await using folder = await databaseFolder();
  const file = await archiveOf(folder.dir, [room, first, second, name]);
  await Deno.writeTextFile(file, (await Deno.readTextFile(file)).replaceAll("\n", "\r\n"));
  await using target = await openSqliteTarget(`${folder.dir}/new.db`);
  assertEquals(await importChat(file, target, holdMs), 2);
});

Deno.test("import-chat names the file that it cannot write", async () => {
  await using folder = await databaseFolder();
  await using target = await openSqliteTarget(folder.path);
  // SQLite cannot bind it.
  const at = Symbol("no time") as unknown as number;
  const write = async () =>
    await target.write([{ kind: "room", room: "lobby", first: 1, head: 0, at }]);
  await assertRejects(write, Error, `Cannot write ${folder.path}.unfinished: `);
});

Deno.test("import-chat gives a name to the member that holds it, not to an earlier one [N8]", async () => {
  await using folder = await databaseFolder();
  const file = await archiveOf(folder.dir, [name, {
    ...name,
    member: "ben",
    heldUntil: Date.now() + holdMs,
  }]);
  {
    await using target = await openSqliteTarget(folder.path);
    await importChat(file, target, holdMs);
  }
  const broker = new SqliteBroker({ ...optionsFor(folder.path), now: Date.now });
  assertEquals([broker.claim("ada", "Ada"), broker.claim("ben", undefined)], [undefined, "Ada"]);
  broker.close();
});

Deno.test("import-chat sets future message times to now, and shortens the holds of names", async () => {
  await using folder = await databaseFolder();
  const ahead = new SqliteBroker({ ...optionsFor(folder.path), now: () => Date.now() + 1e12 });
  ahead.claim("eve", "Eve");
  ahead.release("eve");
  ahead.append([draft("a"), edit(1, "edited")]);
  ahead.close();
  const file = `${folder.dir}/chat.jsonl`;
  await using source = await openSqliteSource(folder.path, holdMs);
  await exportChat(source, file);
  const path = `${folder.dir}/imported.db`;
  {
    await using target = await openSqliteTarget(path);
    await importChat(file, target, holdMs);
  }
  const broker = new SqliteBroker({ ...optionsFor(path), now: Date.now });
  broker.append([draft("b")]);
  const { entries } = broker.read("lobby", { before: Infinity, limit: 2, maxBytes: 1e6 });
  const times = entries.flatMap((entry) =>
    entry.type === "message" ? [entry.at, entry.editedAt ?? 0] : [entry.at]
  );
  assert(times.length === 5 && times.every((at) => at <= Date.now()));
  assertEquals(broker.claim("ada", "Eve"), undefined);
  broker.close();
  const later = new SqliteBroker({ ...optionsFor(path), now: () => Date.now() + holdMs });
  assertEquals(later.claim("ada", "Eve"), "Eve");
  later.close();
});

/** The edits, deletions, titles and replies that the tests below move. */
const amendments = [
  draft("a"),
  draft("b", { reply: 1 }),
  // Servers don't check what a message replies to (E2).
  draft("c", { reply: Number.MAX_SAFE_INTEGER }),
  ...Array.from({ length: 20 }, (_, i) => edit(1, `e${i}`)),
  deletion([2]),
  title("S"),
  deletion([25]),
  title("T"),
];

/** Checks that a broker has the entries of `amendments`, as another broker had them. */
async function checkAmendments(broker: Broker, before: Page): Promise<void> {
  broker.subscribe({ entries: () => {}, pruned: () => {} });
  const query = { before: Infinity, limit: 100, maxBytes: 1e6 };
  const after = { epoch: before.head.epoch, offset: 2 };
  assertEquals(await broker.read("lobby", query), before);
  assertEquals((await broker.read("lobby", { ...query, after })).behind, 1);
  assertEquals((await broker.newestRooms(1))[0]?.title, "T");
  const drafts = [edit(1, "more"), deletion([2]), deletion([2], { nonce: "x" }), deletion([27])];
  assertEquals(await broker.append(drafts), [
    { kind: "edits_exhausted" },
    { kind: "repeat", offset: 24 },
    { kind: "not_found" },
    { kind: "stored", offset: 28 },
  ]);
  assertEquals((await broker.newestRooms(1))[0]?.title, undefined);
}

Deno.test("import-chat restores replies, edits, deletions and titles unchanged [E6]", async () => {
  await using folder = await databaseFolder();
  const options = { ...optionsFor(folder.path), now: Date.now };
  const broker = new SqliteBroker(options);
  broker.append(amendments);
  const before = broker.read("lobby", { before: Infinity, limit: 100, maxBytes: 1e6 });
  broker.close();
  const file = `${folder.dir}/chat.jsonl`;
  const path = `${folder.dir}/imported.db`;
  {
    await using source = await openSqliteSource(folder.path, holdMs);
    assertEquals(await exportChat(source, file), 3);
    await using target = await openSqliteTarget(path);
    assertEquals(await importChat(file, target, holdMs), 3);
  }
  const imported = new SqliteBroker({ ...options, path });
  await checkAmendments(imported, before);
  imported.close();
});

testWithRedis(
  "export-chat and import-chat move replies, edits, deletions and titles unchanged [E6]",
  async (redis) => {
    const { url } = redis;
    await using folder = await databaseFolder();
    const node = await BrokerNode.start(url, { leaseMs: 300 });
    await node.broker.append(amendments);
    const before = await node.broker.read("lobby", { before: Infinity, limit: 100, maxBytes: 1e6 });
    await node.broker.close();
    await until(async () => await redis.cli("KEYS", testKey("lease:*")) === "");
    const [first, second] = [`${folder.dir}/first.jsonl`, `${folder.dir}/second.jsonl`];
    {
      await using source = await openRedisSource(url, prefix, holdMs);
      assertEquals(await exportChat(source, first), 3);
      await using database = await openSqliteTarget(folder.path);
      await importChat(first, database, holdMs);
    }
    {
      await using source = await openSqliteSource(folder.path, holdMs);
      assertEquals(await exportChat(source, second), 3);
      assertEquals(await linesOf(second), await linesOf(first));
      await redis.cli("FLUSHALL");
      await using target = await openRedisTarget(url, prefix);
      await importChat(second, target, holdMs);
    }
    const imported = await RedisBroker.open(redisOptions(url, { now: Date.now }));
    await checkAmendments(imported, before);
    await imported.close();
  },
);

testWithRedis("export-chat refuses a log with a missing entry", async (redis) => {
  await using folder = await databaseFolder();
  const broker = await RedisBroker.open(redisOptions(redis.url, { leaseMs: 300 }));
  await broker.append([draft("a"), draft("b")]);
  await broker.close();
  await until(async () => await redis.cli("KEYS", testKey("lease:*")) === "");
  await redis.cli("XDEL", testKey("log:lobby"), "1-0");
  await using source = await openRedisSource(redis.url, prefix, holdMs);
  const file = `${folder.dir}/chat.jsonl`;
  await assertRejects(() => exportChat(source, file), Error, "an entry is missing");
});

testWithRedis("import-chat refuses a chat that exists or is in use", async (redis) => {
  const { url } = redis;
  await using folder = await databaseFolder();
  fillDatabase(folder.path);
  await assertRejects(() => openSqliteTarget(folder.path), Error, "it already exists; move it");
  const broker = await RedisBroker.open(redisOptions(url, { leaseMs: 300 }));
  await assertRejects(() => openRedisTarget(url, prefix), Error, "servers are using it");
  await broker.append([draft("a")]);
  await broker.close();
  await until(async () => await redis.cli("KEYS", testKey("lease:*")) === "");
  await assertRejects(() => openRedisTarget(url, prefix), Error, "it already has a chat; use");
});

testWithRedis(
  "import-chat imports nothing from a damaged file, and no server starts before it is complete",
  async (redis) => {
    const { url } = redis;
    await using folder = await databaseFolder();
    fillDatabase(folder.path);
    const file = `${folder.dir}/chat.jsonl`;
    {
      await using source = await openSqliteSource(folder.path, holdMs);
      await exportChat(source, file);
    }
    const lines = (await Deno.readTextFile(file)).trimEnd().split("\n");
    const damages: readonly (readonly [damaged: readonly string[], why: string])[] = [
      [lines.slice(0, -1), `line ${lines.length} is missing: the file is incomplete`],
      [lines.slice(1), "line 1 is not the start of an exported chat"],
      [
        lines.with(0, '{"kind":"parley","version":2}'),
        "has the format of another version of Parley",
      ],
      [lines.toSpliced(3, 1), "line 4 is not the next entry of its room"],
      [lines.toSpliced(2, 1), "line 3 is not the next entry of its room"],
      [lines.toSpliced(2, 0, "{}"), "line 3 is damaged"],
      [lines.toSpliced(2, 0, "null"), "line 3 is damaged"],
      [lines.with(1, lines[1]?.replace(/"head":\d+/, '"head":-1') ?? ""), "line 2 is damaged"],
      [[...lines, "{}"], `line ${lines.length + 1} comes after the end`],
    ];
    const imported = `${folder.dir}/imported.db`;
    for (const [damaged, why] of damages) {
      await Deno.writeTextFile(file, damaged.join("\n"));
      const toSqlite = async () => {
        await using target = await openSqliteTarget(imported);
        await importChat(file, target, holdMs);
      };
      const toRedis = async () => {
        await using target = await openRedisTarget(url, prefix);
        await importChat(file, target, holdMs);
      };
      for (const run of [toSqlite, toRedis]) await assertRejects(run, Error, why);
    }
    assertEquals(folder.names(), ["chat.jsonl", "parley.db"]);
    assertEquals(await redis.cli("DBSIZE"), "0");
    // Simulates a killed import.
    await redis.cli("HSET", testKey("meta"), "importing", "1");
    await redis.cli("SADD", testKey("rooms"), "lobby");
    const open = () => RedisBroker.open(redisOptions(url));
    await assertRejects(open, Error, "an import was interrupted; run import-chat again");
    await Deno.writeTextFile(file, lines.join("\n"));
    await using target = await openRedisTarget(url, prefix);
    await assertRejects(open, Error, "an import was interrupted; run import-chat again");
    await importChat(file, target, holdMs);
    const broker = await open();
    assert(broker.isReady);
    await broker.close();
  },
);

Deno.test("importChat() keeps a title locked [E5]", async () => {
  await using folder = await databaseFolder();
  const [from, to] = [`${folder.dir}/from.db`, `${folder.dir}/other/parley.db`];
  const options = (path: string) => ({
    ...optionsFor(path),
    moderatorMac: (member: string) => member,
  });
  const broker = new SqliteBroker(options(from));
  broker.moderation.appoint("mona");
  broker.append([draft("a"), title("Rules", { member: "mona", locked: true })]);
  broker.close();
  await Deno.mkdir(`${folder.dir}/other`);
  {
    await using source = await openSqliteSource(from, holdMs);
    await exportChat(source, `${folder.dir}/chat.jsonl`);
    await using target = await openSqliteTarget(to);
    await importChat(`${folder.dir}/chat.jsonl`, target, holdMs);
  }
  const copy = new SqliteBroker(options(to));
  const page = copy.read("lobby", { before: Infinity, limit: 9, maxBytes: 1e6 });
  const results = copy.append([title("Mine")]);
  copy.close();
  const last = page.entries.at(-1);
  assertEquals([page.title, last?.type === "title" && last.locked], ["Rules", true]);
  assertEquals(results, [{ kind: "title_locked" }]);
});

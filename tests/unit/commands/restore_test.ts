// The `restore` command.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { FolderLock, lockPathOf } from "../../../app/broker/sqlite/lock.ts";
import { migrate, migrations } from "../../../app/broker/sqlite/schema.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Draft } from "../../../app/chat/broker.ts";
import { backUp } from "../../../app/commands/backup.ts";
import { restore } from "../../../app/commands/restore.ts";
import type { Position } from "../../../app/protocol/wire.ts";
import { databaseFolder, messageAt, storeMessage, textsOf } from "../../support/database_folder.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";

const now = new Date(messageAt);

Deno.test("restore() replaces the database, keeps the previous one, and forks the log [R1]", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  storeMessage(broker, "one");
  const { head } = broker.read("lobby", { before: Infinity, limit: 1, maxBytes: 1 });
  broker.close();
  await backUp(folder.path, `${folder.dir}/copy.db`);
  const again = folder.open();
  storeMessage(again, "two");
  const { head: lost } = again.read("lobby", { before: Infinity, limit: 1, maxBytes: 1 });
  again.close();
  const previous = await restore(folder.path, `${folder.dir}/copy.db`, now);
  assertEquals(previous, `${folder.path}.before-2025-11-24T093005.000Z`);
  assertEquals(folder.names(), [
    "copy.db",
    "parley.db",
    "parley.db.before-2025-11-24T093005.000Z",
  ]);
  const restored = folder.open();
  assertEquals(textsOf(restored), ["one"]);
  storeMessage(restored, "another two");
  const since = (after: Position) => {
    const { valid, entries } = restored.read("lobby", { after, limit: 10, maxBytes: 1e9 });
    return valid ? entries.map(({ text }) => text) : undefined;
  };
  assertEquals([since(head), since(lost)], [["another two"], undefined]);
  assertEquals(textsOf(folder.open(previous)), ["one", "two"]);
});

Deno.test("restore() includes the journal that kill -9 left next to a copy, and changes neither", async () => {
  await using folder = await databaseFolder();
  const { dir } = folder;
  const killed = folder.open(`${dir}/killed.db`);
  for (let i = 0; i < 100; i++) storeMessage(killed, `${i}`);
  await Deno.mkdir(`${dir}/cold`);
  for (const suffix of ["", "-wal"]) {
    await Deno.copyFile(`${dir}/killed.db${suffix}`, `${dir}/cold/parley.db${suffix}`);
  }
  await Deno.symlink(`${dir}/cold/parley.db`, `${dir}/link.db`);
  const states = () =>
    ["", "-wal"].map((suffix) => Deno.readFileSync(`${dir}/cold/parley.db${suffix}`));
  const before = states();
  for (const from of ["cold/parley.db", "link.db"]) {
    await restore(folder.path, `${dir}/${from}`, now);
    const restored = folder.open();
    assertEquals(textsOf(restored), Array.from({ length: 100 }, (_, i) => `${i}`), from);
    restored.close();
  }
  assertEquals(states(), before);
  assertEquals(folder.names().filter((name) => name.includes("unfinished")), []);
});

Deno.test("restore() creates a missing database, and keeps a damaged one next to it", async () => {
  await using folder = await databaseFolder();
  const copy = `${folder.dir}/copy.db`;
  const other = folder.open(copy);
  storeMessage(other, "one");
  other.close();
  assertEquals(await restore(folder.path, copy, now), undefined);
  await Deno.writeTextFile(folder.path, "broken ".repeat(1_000));
  const previous = await restore(folder.path, copy, now);
  assertEquals(textsOf(folder.open()), ["one"]);
  assert((await Deno.readTextFile(previous ?? "")).startsWith("broken"));
});

Deno.test("restore() refuses while a server is using the folder, and names the server", async () => {
  await using folder = await databaseFolder();
  const copy = `${folder.dir}/copy.db`;
  const running = folder.open();
  storeMessage(running, "one");
  await backUp(folder.path, copy);
  const lock = await FolderLock.acquire({
    path: lockPathOf(folder.path),
    owner: { host: "alpha", pid: 7, id: "id" },
    now: Date.now,
    wait: () => Promise.resolve(),
  });
  const before = folder.names();
  await assertRejects(
    () => restore(folder.path, copy, now),
    Error,
    "process 7 on host alpha is using this folder; stop it first",
  );
  assertEquals(folder.names(), before);
  lock.check();
  lock.release();
});

Deno.test("restore() refuses files that are not intact Parley databases, and changes nothing", async () => {
  await using folder = await databaseFolder();
  const { dir } = folder;
  const broker = folder.open();
  for (let i = 0; i < 1_000; i++) storeMessage(broker, "x".repeat(1_000));
  broker.close();
  const copy = `${dir}/copy.db`;
  await backUp(folder.path, copy);
  const bytes = await Deno.readFile(copy);
  await Deno.writeFile(`${dir}/half.db`, bytes.subarray(0, bytes.length / 2));
  await Deno.writeTextFile(`${dir}/wrong.db`, "not a database");
  const newer = new DatabaseSync(`${dir}/newer.db`);
  migrate(newer, [...migrations, "CREATE TABLE news (x)"]);
  newer.close();
  const foreign = new DatabaseSync(`${dir}/foreign.db`);
  foreign.exec("CREATE TABLE cats (name)");
  foreign.close();
  for (
    const [name, message] of [
      ["wrong.db", "file is not a database"],
      ["half.db", "Cannot use"],
      ["foreign.db", "not a Parley database"],
      ["newer.db", "made by a newer version of Parley"],
      ["none.db", "none.db: it does not exist"],
      [".", "it is not a regular file"],
    ] as const
  ) await assertRejects(() => restore(folder.path, `${dir}/${name}`, now), Error, message);
  assertEquals(textsOf(folder.open()).length, 1_000);
  assertEquals(folder.names().filter((name) => /before|unfinished|lock/.test(name)), []);
});

Deno.test("restore() refuses the incomplete file of an interrupted command, and keeps it", async () => {
  await using folder = await databaseFolder();
  const unfinished = `${folder.path}.unfinished`;
  folder.open(unfinished).close();
  const why = "it is incomplete; run the interrupted command again";
  await assertRejects(() => restore(folder.path, unfinished, now), Error, why);
  assertEquals(folder.names(), ["parley.db.unfinished"]);
});

Deno.test("restore() keeps each previous database, even of two restores at the same time", async () => {
  await using folder = await databaseFolder();
  const { dir, path } = folder;
  const store = (text: string) => {
    const broker = folder.open();
    storeMessage(broker, text);
    broker.close();
  };
  store("one");
  await backUp(path, `${dir}/copy.db`);
  const previous: string[] = [];
  for (const text of ["two", "three"]) {
    store(text);
    previous.push(await restore(path, `${dir}/copy.db`, now) ?? "");
  }
  assertEquals(previous.map((file) => textsOf(folder.open(file))), [["one", "two"], [
    "one",
    "three",
  ]]);
});

Deno.test("restore() refuses copies that another program has changed", async () => {
  await using folder = await databaseFolder();
  const { dir, path } = folder;
  const broker = folder.open();
  storeMessage(broker, "one");
  while (broker.index());
  broker.close();
  const changed = async (sql: string) => {
    const copy = `${dir}/copy.db`;
    await backUp(path, copy);
    const database = new DatabaseSync(copy);
    database.exec(sql);
    database.close();
    return copy;
  };
  const endless = `WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)
                   SELECT count(*) FROM n`;
  for (
    const [sql, reason] of [
      [`CREATE TRIGGER t AFTER INSERT ON entries BEGIN ${endless}; END`, "trigger t"],
      ["CREATE TRIGGER t BEFORE DELETE ON names BEGIN DELETE FROM rooms; END", "trigger t"],
      ["ALTER TABLE entries RENAME TO e; CREATE VIEW entries AS SELECT * FROM e", "table entries"],
      ["ALTER TABLE names DROP COLUMN wrote", "table names"],
      ["DROP TABLE sweeps", "table sweeps"],
      ["DROP INDEX entries_other", "index entries_other"],
      ["CREATE UNIQUE INDEX one_each ON entries (member)", "index one_each"],
      ["PRAGMA user_version = -1", "it is not a Parley database"],
      ["UPDATE epochs SET name = name || char(10)", "table epochs"],
      ["UPDATE rooms SET name = '<b>'", "table rooms"],
      ["UPDATE rooms SET head = 9223372036854775807", "table rooms"],
      ["UPDATE rooms SET first = -5", "table rooms"],
      ["UPDATE entries SET at = 9007199254740993", "table entries"],
      ["UPDATE entries SET at = 'now'", "table entries"],
      ["UPDATE entries SET edited_at = 8640000000000001", "table entries"],
      ["UPDATE entries SET kind = 2", "table entries"],
      ["UPDATE entries SET kind = 4", "table entries"],
      ["UPDATE entries SET text = x'ff'", "table entries"],
      ["UPDATE entries SET text = hex(zeroblob(600000))", "table entries"],
      ["UPDATE entries SET username = 'A' || char(10) || 'B'", "table entries"],
      [
        "INSERT INTO sanctions VALUES (1, 'ban', 'a', 'A', 'x', NULL, 1, 2, 'B')",
        "table sanctions",
      ],
    ] as const
  ) await assertRejects(async () => restore(path, await changed(sql), now), Error, reason);
  await restore(path, await changed("CREATE VIEW report AS SELECT count(*) FROM entries"), now);
  assertEquals(textsOf(folder.open()), ["one"]);
});

Deno.test("restore() carries bans, mutes and deletions over from the database it replaces [B8]", async () => {
  await using folder = await databaseFolder();
  const { path, dir } = folder;
  const operator = { member: "operator", username: "Operator", isOperator: true } as const;
  const broker = folder.open();
  for (const text of ["one", "gone", "three"]) storeMessage(broker, text);
  while (broker.index());
  const ban = (member: string) =>
    ({ type: "ban", member, seconds: 9e6, deleteMessages: false, network: false }) as const;
  for (const member of ["lifted", "troll"]) broker.claim(member, member);
  broker.moderation.moderate(ban("lifted"), operator);
  const { head } = broker.read("lobby", { before: Infinity, limit: 1, maxBytes: 1 });
  broker.close();
  await backUp(path, `${dir}/copy.db`);
  const later = folder.open();
  later.moderation.moderate({ type: "lift", id: 1 }, operator);
  later.rename("troll", "Trolly");
  later.moderation.moderate(ban("troll"), operator);
  const fields = { room: "lobby", member: "operator", from: "Operator", isModerator: true };
  later.append([{ type: "delete", ...fields, targets: [2], nonce: "d" }]);
  later.close();
  const problems: string[] = [];
  await restore(path, `${dir}/copy.db`, now, (problem) => problems.push(problem));
  assertEquals(problems, []);
  assert(!new TextDecoder("latin1").decode(Deno.readFileSync(path)).includes("gone"));
  const restored = folder.open();
  assertEquals(textsOf(restored), ["one", "", "three", ""]);
  // A client that resumes from an earlier offset learns of the deletion.
  const resumed = restored.read("lobby", { after: head, limit: 9, maxBytes: 1e6 });
  assertEquals(resumed.valid && resumed.entries.map((entry) => [entry.type, entry.offset]), [
    ["delete", 4],
  ]);
  const listed = restored.moderation.moderate({ type: "sanctions" }, operator);
  assert("sanctions" in listed);
  assertEquals(listed.sanctions.map(({ kind, member }) => [kind, member]), [["ban", "troll"]]);
  restored.release("lifted");
  assertEquals(restored.claim("eve", "Trolly"), undefined);
  restored.close();
  // The hold of a name whose ban was lifted is over.
  const twoDays = new SqliteBroker(optionsFor(path, { ms: messageAt + 2 * 86_400_000 }));
  assertEquals(twoDays.claim("eve", "lifted"), "lifted");
  twoDays.close();
  Deno.writeTextFileSync(path, "damaged");
  await restore(path, `${dir}/copy.db`, now, (problem) => problems.push(problem));
  assertEquals(problems.length, 1);
  assert(problems[0]?.includes("Cannot carry bans, mutes and deletions over"), problems[0]);
  assertEquals(textsOf(folder.open()), ["one", "gone", "three"]);
});

Deno.test("restore() carries over deletions whose messages, and title locks whose entries, retention removed", async () => {
  await using folder = await databaseFolder();
  const { path, dir } = folder;
  const broker = folder.open();
  for (const text of ["one", "gone", "three"]) storeMessage(broker, text);
  storeMessage(broker, "one", "tea");
  broker.close();
  await backUp(path, `${dir}/copy.db`);
  const settings = optionsFor(path, { ms: messageAt }, { retentionMessages: 1 });
  const later = new SqliteBroker({ ...settings, moderatorMac: (id) => id });
  later.moderation.appoint("m1");
  const fields = { room: "lobby", member: "m1", from: "Ada" };
  later.append([{ type: "delete", ...fields, targets: [2], nonce: "d" }]);
  later.append([
    { type: "title", ...fields, room: "tea", text: "Rules", locked: true, nonce: "t" },
  ]);
  storeMessage(later, "two", "tea");
  while (later.prune());
  assertEquals(textsOf(later), ["three", ""]);
  later.close();
  // The deletion says nothing about the messages of another chat.
  const other = folder.open(`${dir}/other.db`);
  for (const text of ["un", "deux"]) storeMessage(other, text);
  other.close();
  const previous = await restore(path, `${dir}/other.db`, now) ?? "";
  const restored = folder.open();
  assertEquals(textsOf(restored), ["un", "deux"]);
  restored.close();
  await restore(path, previous, now);
  await restore(path, `${dir}/copy.db`, now);
  const last = folder.open();
  assertEquals(textsOf(last), ["one", "", "three", ""]);
  assertEquals(textsOf(last, "tea"), ["one", "Rules"]);
  assertEquals(last.newestRooms(2).map(({ title }) => title), [undefined, "Rules"]);
});

Deno.test("restore() does not delete a different message at the same offset of a forked copy", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  storeMessage(broker, "gone");
  const fields = { room: "lobby", member: "m1", from: "Ada" };
  broker.append([{ type: "delete", ...fields, targets: [1], nonce: "d" }]);
  broker.close();
  const forked = folder.open(`${folder.dir}/forked.db`);
  storeMessage(forked, "kept");
  forked.close();
  await restore(folder.path, `${folder.dir}/forked.db`, now);
  assertEquals(textsOf(folder.open()), ["kept"]);
});

Deno.test("restore() carries deletions of titles and title locks over [E4] [E5]", async () => {
  await using folder = await databaseFolder();
  const { path, dir } = folder;
  const set = (room: string, text: string, locked?: true): Draft => {
    const fields = { type: "title", room, member: "mona", from: "Mona" } as const;
    return { ...fields, text, nonce: `t-${text}`, ...(locked && { locked }) };
  };
  const broker = folder.open();
  broker.moderation.appoint("mona");
  const rooms = ["deleted", "removed", "locked", "replaced", "unlocked", "open"];
  for (const room of rooms) storeMessage(broker, "one", room);
  broker.append(rooms.map((room) => set(room, "secret", room === "unlocked" ? true : undefined)));
  broker.close();
  await backUp(path, `${dir}/copy.db`);
  const later = folder.open();
  const fields = { room: "deleted", member: "mona", from: "Mona", nonce: "d" };
  const results = later.append([
    { type: "delete", ...fields, targets: [2] },
    set("removed", ""),
    { ...set("locked", "secret", true), nonce: "again" },
    set("replaced", "Rules", true),
    { ...set("unlocked", "secret"), nonce: "again" },
    set("open", "Other"),
  ]);
  assertEquals(results.map(({ kind }) => kind), Array(6).fill("stored"));
  later.close();
  const fail = (problem: string) => {
    throw new Error(problem);
  };
  await restore(path, `${dir}/copy.db`, now, fail);
  const restored = folder.open();
  const all = { before: Infinity, limit: 9, maxBytes: 1e6 };
  const states = rooms.map((room) => {
    const { title, entries } = restored.read(room, all);
    const [result] = restored.append([{ ...set(room, "x"), member: "ada" }]);
    return [title, entries[1]?.text, entries.length, result?.kind];
  });
  assertEquals(states, [
    [undefined, undefined, 3, "stored"],
    [undefined, undefined, 3, "stored"],
    ["secret", "secret", 2, "title_locked"],
    ["Rules", "secret", 3, "title_locked"],
    ["secret", "secret", 2, "stored"],
    ["secret", "secret", 2, "stored"],
  ]);
});

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { Freezer, newCopyPath } from "../../../app/broker/sqlite/freeze.ts";
import { migrate, migrations, schemaVersion } from "../../../app/broker/sqlite/schema.ts";
import type { Position } from "../../../app/protocol/wire.ts";
import { backUp, exportRoom, exportToFile, restore } from "../../../app/commands/database_tools.ts";

const at = Date.UTC(2025, 10, 24, 9, 30, 5);

/** A folder, and what tests put there, until the end of the scope. */
async function scene() {
  const dir = await Deno.makeTempDir();
  const brokers: SqliteBroker[] = [];
  const timers: ReturnType<typeof setInterval>[] = [];
  return {
    dir,
    path: `${dir}/parley.db`,
    open(path = `${dir}/parley.db`): SqliteBroker {
      const broker = SqliteBroker.open({
        path,
        durability: "normal",
        now: () => at,
        randomName: () => crypto.randomUUID(),
        nameHoldMs: 0,
        graceMs: 0,
        retentionDays: 0,
        retentionMessages: 0,
        maxRooms: 0,
        report: () => {},
      });
      brokers.push(broker);
      return broker;
    },
    /** Does what main.ts does once a second, more often. */
    serve(broker: SqliteBroker, more: () => void = () => {}): Freezer {
      const freezer = new Freezer(`${dir}/parley.db`, broker, Date.now, () => {});
      timers.push(setInterval(() => {
        freezer.look();
        more();
      }, 5));
      return freezer;
    },
    names: () => [...Deno.readDirSync(dir)].map(({ name }) => name).toSorted(),
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearInterval(timer);
      for (const broker of brokers) broker.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

let nonces = 0;

function say(broker: SqliteBroker, text: string, room = "lobby"): void {
  const draft = { room, member: "m1", from: "Ada", text, nonce: `n${nonces++}` };
  assertEquals(broker.append([draft])[0]?.kind, "stored");
}

function textsOf(broker: SqliteBroker, room = "lobby"): string[] {
  const { entries } = broker.read(room, { before: Infinity, limit: 100, maxBytes: 1e9 });
  return entries.map(({ text }) => text);
}

Deno.test("backUp() copies a database that nobody uses, its journal too", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "one");
  broker.close();
  await backUp(place.path, `${place.dir}/copy.db`);
  assertEquals(textsOf(place.open(`${place.dir}/copy.db`)), ["one"]);
});

Deno.test("backUp() copies everything that a running server has stored, and the server goes on", async () => {
  await using place = await scene();
  const broker = place.open();
  for (let i = 0; i < 100; i++) say(broker, `before ${i}`);
  let later = 0;
  let mostFrozen = false;
  place.serve(broker, () => {
    if (later < 50) say(broker, `later ${later++}`);
    mostFrozen ||= broker.isFrozen;
  });
  await backUp(place.path, `${place.dir}/copy.db`);
  assertEquals(mostFrozen, true);
  const copy = place.open(`${place.dir}/copy.db`);
  const { entries, head } = copy.read("lobby", { before: 101, limit: 100, maxBytes: 1e9 });
  assertEquals(
    entries.map(({ text }) => text),
    Array.from({ length: 100 }, (_, i) => `before ${i}`),
  );
  assert(head.offset >= 100);
  say(broker, "after");
  assertEquals(textsOf(broker).at(-1), "after");
});

Deno.test("backUp() leaves nothing behind but the copy, and the server's file thaws", async () => {
  await using place = await scene();
  const broker = place.open();
  const freezer = place.serve(broker);
  say(broker, "one");
  await backUp(place.path, `${place.dir}/copy.db`);
  freezer.look();
  assertEquals(broker.isFrozen, false);
  assertEquals(place.names(), ["copy.db", "parley.db", "parley.db-wal"]);
  await backUp(place.path, `${place.dir}/copy.db`);
  broker.close();
});

Deno.test("backUp() gives no copy when the server had to open its file anew meanwhile", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "one");
  place.serve(broker, () => {
    if (!broker.isFrozen) return;
    broker.close();
    say(broker, "two");
  });
  await assertRejects(
    () => backUp(place.path, `${place.dir}/copy.db`),
    Error,
    "could not leave it",
  );
  assert(!place.names().includes("copy.db"));
  assertEquals(place.names().filter((name) => /freeze|unfinished/.test(name)), []);
});

Deno.test("backUp() says so when nobody answers, when another copy is being made, and when there is nothing to copy", async () => {
  await using place = await scene();
  const copy = `${place.dir}/copy.db`;
  await assertRejects(() => backUp(place.path, copy), Error, "it is not there");
  place.open();
  await assertRejects(() => backUp(place.path, copy, 0), Error, "does not answer");
  await Deno.writeTextFile(`${place.path}.freeze`, "wanted by-another\n");
  await assertRejects(() => backUp(place.path, copy), Error, "another copy is being made");
  await Deno.remove(`${place.path}.freeze`);
  await assertRejects(() => backUp(place.path, place.path), Error, "the database itself");
  assert(!place.names().includes("copy.db"));
});

Deno.test("Freezer lets go of a file whose program is gone, and of what a server before it has frozen", async () => {
  await using place = await scene();
  const broker = place.open();
  const request = `${place.path}.freeze`;
  let now = Date.now();
  const freezer = new Freezer(place.path, broker, () => now, () => {});
  await Deno.writeTextFile(request, "frozen of-old\n");
  freezer.look();
  assert(!place.names().includes("parley.db.freeze"));
  await Deno.writeTextFile(request, "wanted by-me\n");
  freezer.look();
  assertEquals([broker.isFrozen, await Deno.readTextFile(request)], [true, "frozen by-me\n"]);
  now += 60_000;
  freezer.look();
  assertEquals(broker.isFrozen, false);
  assert(!place.names().includes("parley.db.freeze"));
});

Deno.test("backUp() and exportToFile() write nothing over the database, or over what is no regular file", async () => {
  await using place = await scene();
  const { dir, path } = place;
  const broker = place.open();
  say(broker, "one");
  place.serve(broker);
  await Deno.symlink(path, `${dir}/soft.db`);
  await Deno.link(`${path}-wal`, `${dir}/hard.db`);
  await Deno.symlink(dir, `${dir}/here`);
  await Deno.mkdir(`${dir}/folder`);
  await new Deno.Command("mkfifo", { args: [`${dir}/pipe`] }).output();
  const before = place.names();
  const own = "this is the database itself";
  for (
    const [name, message] of [
      ["parley.db", own],
      ["parley.db-wal", own],
      ["parley.db-shm", own],
      ["here/parley.db-journal", own],
      ["soft.db", own],
      ["hard.db", own],
      ["pipe", "is no regular file"],
      ["folder", "is no regular file"],
      ["nowhere/copy.db", `there is no folder ${dir}/nowhere`],
      ["parley.db/copy.db", `there is no folder ${path}`],
    ] as const
  ) {
    const to = `${dir}/${name}`;
    const said = `Cannot write ${to}: `;
    for (
      const work of [() => backUp(path, to), () => exportToFile(path, "lobby", "jsonl", to)]
    ) assertStringIncludes((await assertRejects(work, Error, message)).message, said);
  }
  assertEquals(place.names(), before);
  assertEquals((await Deno.lstat(`${dir}/pipe`)).isFifo, true);
  assertEquals(textsOf(broker), ["one"]);
});

Deno.test("backUp() names what it cannot open and where it cannot write", async () => {
  await using place = await scene();
  const { dir, path } = place;
  await Deno.mkdir(path);
  await assertRejects(() => backUp(path, `${dir}/copy.db`), Error, `Cannot open ${path}: `);
  await Deno.remove(path);
  place.open().close();
  const long = `${dir}/${"x".repeat(250)}`;
  await assertRejects(() => backUp(path, long), Error, `Cannot write ${long}.unfinished: `);
});

Deno.test("backUp() takes nothing from a copy that is being made to the same file", async () => {
  await using place = await scene();
  place.open();
  await Deno.writeTextFile(`${place.path}.freeze`, "frozen by-another\n");
  await Deno.writeTextFile(`${place.dir}/copy.db.unfinished`, "half");
  const copy = () => backUp(place.path, `${place.dir}/copy.db`);
  await assertRejects(copy, Error, "another copy is being made");
  assertEquals(await Deno.readTextFile(`${place.dir}/copy.db.unfinished`), "half");
});

Deno.test("restore() puts a copy in the place of the database, keeps what was there, and the log has forked [R1]", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "one");
  const { head } = broker.read("lobby", { before: Infinity, limit: 1, maxBytes: 1 });
  broker.close();
  await backUp(place.path, `${place.dir}/copy.db`);
  const again = place.open();
  say(again, "two");
  const { head: lost } = again.read("lobby", { before: Infinity, limit: 1, maxBytes: 1 });
  again.close();
  const saved = await restore(place.path, `${place.dir}/copy.db`, new Date(at));
  assertEquals(saved, `${place.path}.before-2025-11-24T093005.000Z`);
  const restored = place.open();
  assertEquals(textsOf(restored), ["one"]);
  say(restored, "another two");
  const since = (after: Position) => {
    const { valid, entries } = restored.read("lobby", { after, limit: 10, maxBytes: 1e9 });
    return valid ? entries.map(({ text }) => text) : undefined;
  };
  assertEquals([since(head), since(lost)], [["another two"], undefined]);
  assertEquals(textsOf(place.open(saved)), ["one", "two"]);
});

Deno.test("restore() takes the journal that stands beside a copy, as kill -9 leaves it, and changes neither", async () => {
  await using place = await scene();
  const { dir } = place;
  const killed = place.open(`${dir}/killed.db`);
  for (let i = 0; i < 100; i++) say(killed, `${i}`);
  await Deno.mkdir(`${dir}/cold`);
  for (const part of ["", "-wal"]) {
    await Deno.copyFile(`${dir}/killed.db${part}`, `${dir}/cold/parley.db${part}`);
  }
  await Deno.symlink(`${dir}/cold/parley.db`, `${dir}/link.db`);
  const states = () =>
    ["", "-wal"].map((part) => Deno.readFileSync(`${dir}/cold/parley.db${part}`));
  const before = states();
  for (const from of ["cold/parley.db", "link.db"]) {
    await restore(place.path, `${dir}/${from}`, new Date(at));
    const restored = place.open();
    assertEquals(textsOf(restored), Array.from({ length: 100 }, (_, i) => `${i}`), from);
    restored.close();
  }
  assertEquals(states(), before);
  assertEquals(place.names().filter((name) => name.includes("unfinished")), []);
});

Deno.test("restore() makes a database where there was none, and puts a broken one aside", async () => {
  await using place = await scene();
  const copy = `${place.dir}/copy.db`;
  const other = place.open(copy);
  say(other, "one");
  other.close();
  assertEquals(await restore(place.path, copy, new Date(at)), undefined);
  await Deno.writeTextFile(place.path, "broken ".repeat(1_000));
  const saved = await restore(place.path, copy, new Date(at));
  assertEquals(textsOf(place.open()), ["one"]);
  assert((await Deno.readTextFile(saved ?? "")).startsWith("broken"));
});

Deno.test("restore() refuses while a server has the database, and what is no whole database of Parley", async () => {
  await using place = await scene();
  const copy = `${place.dir}/copy.db`;
  const broker = place.open();
  for (let i = 0; i < 1_000; i++) say(broker, "x".repeat(1_000));
  broker.close();
  await backUp(place.path, copy);
  const running = place.open();
  const now = new Date(at);
  await assertRejects(() => restore(place.path, copy, now), Error, "stop it first");
  say(running, "still here");
  const bytes = await Deno.readFile(copy);
  const wrong = `${place.dir}/wrong.db`;
  const newer = new DatabaseSync(`${place.dir}/newer.db`);
  migrate(newer, [...migrations, "CREATE TABLE news (x)"]);
  newer.close();
  const foreign = new DatabaseSync(`${place.dir}/foreign.db`);
  foreign.exec("CREATE TABLE cats (name)");
  foreign.close();
  await Deno.writeFile(`${place.dir}/half.db`, bytes.subarray(0, bytes.length / 2));
  await Deno.writeTextFile(wrong, "no database at all");
  for (
    const [name, message] of [
      ["wrong.db", "file is not a database"],
      ["half.db", "Cannot use"],
      ["foreign.db", "no database of Parley"],
      ["newer.db", "a newer Parley"],
      ["none.db", "none.db: it is not there"],
    ] as const
  ) await assertRejects(() => restore(place.path, `${place.dir}/${name}`, now), Error, message);
  assertEquals(textsOf(running).at(-1), "still here");
  assertEquals(place.names().filter((name) => /before|unfinished/.test(name)), []);
});

Deno.test("exportRoom() writes a room as JSON lines and as text in which nobody can speak for another", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "Good morning");
  say(broker, "two\n2025-11-24 09:30:05 Ben: lines");
  say(broker, "elsewhere", "tea");
  place.serve(broker);
  const write = async (room: string, format: "jsonl" | "text") =>
    (await Array.fromAsync(exportRoom(place.path, room, format))).join("");
  const lines = (await write("lobby", "jsonl")).trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  assertEquals(lines.length, 2);
  assertEquals(lines[0], {
    room: "lobby",
    offset: 1,
    at: "2025-11-24T09:30:05.000Z",
    member: "m1",
    from: "Ada",
    text: "Good morning",
  });
  assertEquals(
    await write("lobby", "text"),
    "2025-11-24 09:30:05 Ada: Good morning\n" +
      "2025-11-24 09:30:05 Ada: two\n    2025-11-24 09:30:05 Ben: lines\n",
  );
  await assertRejects(() => write("nowhere", "text"), Error, "nobody has written there");
});

Deno.test("exportToFile() leaves a file as it is until the export has worked", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "Good morning");
  broker.close();
  const file = `${place.dir}/old.txt`;
  await Deno.writeTextFile(file, "old");
  // As one that was killed has left it.
  await Deno.writeTextFile(`${file}.unfinished`, "half of something longer ".repeat(100));
  const write = (room: string) => exportToFile(place.path, room, "text", file);
  await assertRejects(() => write("nowhere"), Error, "nobody has written there");
  assertEquals(await Deno.readTextFile(file), "old");
  await write("lobby");
  assertEquals(await Deno.readTextFile(file), "2025-11-24 09:30:05 Ada: Good morning\n");
  assertEquals(place.names(), ["old.txt", "parley.db"]);
  const none = exportToFile(`${place.dir}/none/parley.db`, "lobby", "text", file);
  await assertRejects(() => none, Error, "none/parley.db: it is not there");
});

Deno.test("exportRoom() has no copy under a name while it writes, so that none is left when it is killed", async () => {
  for (const isServed of [false, true]) {
    await using place = await scene();
    const broker = place.open();
    for (let i = 0; i < 3; i++) say(broker, `${i}`);
    if (isServed) place.serve(broker);
    else broker.close();
    let parts = 0;
    for await (const _ of exportRoom(place.path, "lobby", "text")) {
      parts++;
      const rest = place.names().filter((name) => !/^parley\.db(-wal|-shm|\.freeze)?$/.test(name));
      assertEquals(rest, []);
    }
    assertEquals(parts, 3);
  }
});

Deno.test("backUp() removes the copy of an export that was killed while it copied, and none in use", async () => {
  await using place = await scene();
  const broker = place.open();
  say(broker, "one");
  const left = newCopyPath(place.path);
  for (const part of ["", "-journal"]) await Deno.writeTextFile(left + part, "half");
  const copies = () => place.names().filter((name) => name.includes(".copy-")).length;
  await assertRejects(() => backUp(place.path, `${place.dir}/copy.db`, 0));
  assertEquals(copies(), 2);
  await Deno.writeTextFile(`${place.path}.freeze`, "frozen by-another\n");
  await assertRejects(() => backUp(place.path, `${place.dir}/copy.db`), Error, "another copy");
  assertEquals(copies(), 2);
  await Deno.remove(`${place.path}.freeze`);
  broker.close();
  await backUp(place.path, `${place.dir}/copy.db`);
  assertEquals(copies(), 0);
});

Deno.test("migrate() takes a database from every version to the present one, with what is in it", () => {
  const steps = [...migrations, "CREATE TABLE pets (name)", "ALTER TABLE pets ADD COLUMN age"];
  for (let version = 0; version <= steps.length; version++) {
    using database = new DatabaseSync(":memory:");
    if (version > 0) {
      migrate(database, steps.slice(0, version));
      database.exec("INSERT INTO terms (name) VALUES ('kept')");
    }
    migrate(database, steps);
    assertEquals(database.prepare("PRAGMA user_version").get()?.user_version, steps.length);
    assertEquals(database.prepare("SELECT name FROM terms").all().length, version > 0 ? 1 : 0);
    database.exec("INSERT INTO pets (name, age) VALUES ('Tom', 3)");
  }
  assertEquals(schemaVersion, migrations.length);
});

Deno.test("migrate() changes nothing when a step fails, and nothing of a newer version", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database);
  const bad = [...migrations, "CREATE TABLE pets (name)", "CREATE TABLE pets (name)"];
  assertThrows(() => migrate(database, bad), Error, "already exists");
  assertEquals(database.isTransaction, false);
  assertEquals(database.prepare("PRAGMA user_version").get()?.user_version, schemaVersion);
  migrate(database, bad.slice(0, -1));
  assertThrows(() => migrate(database), Error, "a newer Parley has made it");
});

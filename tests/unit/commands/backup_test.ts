// The `backup` command.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { backUp } from "../../../app/commands/backup.ts";
import { databaseFolder, storeMessage, textsOf } from "../../support/database_folder.ts";

Deno.test("backUp() copies a database that no server is using, with its journal", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  storeMessage(broker, "one");
  const killed = `${folder.dir}/killed.db`;
  for (const suffix of ["", "-wal"]) Deno.copyFileSync(folder.path + suffix, killed + suffix);
  await backUp(killed, `${folder.dir}/copy.db`);
  assertEquals(textsOf(folder.open(`${folder.dir}/copy.db`)), ["one"]);
});

Deno.test("backUp() copies all messages of a running server, and leaves no other files", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  const copy = `${folder.dir}/copy.db`;
  const before = Array.from({ length: 100 }, (_, i) => `before ${i}`);
  for (const text of before) storeMessage(broker, text);
  const names = folder.names();
  await backUp(folder.path, copy);
  assertEquals(folder.names(), ["copy.db", ...names]);
  storeMessage(broker, "after");
  assertEquals(textsOf(folder.open(copy)), before);
  assertEquals(textsOf(broker), [...before, "after"]);
});

Deno.test("backUp() copies a snapshot of a busy server and never blocks it", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  const text = "x".repeat(700);
  for (let i = 0; i < 5_000; i++) storeMessage(broker, text);
  const copy = `${folder.dir}/copy.db`;
  const program = `
    import { backUp } from "${import.meta.resolve("../../../app/commands/backup.ts")}";
    await backUp(...Deno.args);
  `;
  let isDone = false;
  const done = new Deno.Command(Deno.execPath(), {
    args: ["eval", "-q", program, folder.path, copy],
  }).output().then(({ code }) => {
    isDone = true;
    return code;
  });
  let stored = 5_000;
  while (!isDone) {
    // Throws if the backup blocks it.
    storeMessage(broker, text);
    stored++;
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(await done, 0);
  assert(stored > 5_000);
  const { entries, head } = folder.open(copy).read("lobby", {
    before: Infinity,
    limit: 1e5,
    maxBytes: 1e9,
  });
  assert(head.offset >= 5_000 && head.offset <= stored);
  assertEquals(entries.map(({ offset }) => offset), entries.map((_, i) => i + 1));
  assertEquals(entries.length, head.offset);
});

Deno.test("backUp() replaces an earlier copy, and no other file", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  const copy = `${folder.dir}/copy.db`;
  for (const text of ["one", "two"]) {
    storeMessage(broker, text);
    await backUp(folder.path, copy);
  }
  const opened = folder.open(copy);
  assertEquals(textsOf(opened), ["one", "two"]);
  opened.close();
  const notes = `${folder.dir}/notes.md`;
  await Deno.writeTextFile(notes, "# Notes");
  await assertRejects(() => backUp(folder.path, notes), Error, "is not a database");
  assertEquals(await Deno.readTextFile(notes), "# Notes");
});

Deno.test("backUp() names the file that it cannot open or write", async () => {
  await using folder = await databaseFolder();
  const { dir, path } = folder;
  const copy = `${dir}/copy.db`;
  await assertRejects(() => backUp(path, copy), Error, `Cannot open ${path}: it does not exist`);
  await Deno.mkdir(path);
  await assertRejects(() => backUp(path, copy), Error, `Cannot open ${path}: `);
  await Deno.remove(path);
  folder.open().close();
  const long = `${dir}/${"x".repeat(250)}`;
  await assertRejects(() => backUp(path, long), Error, `Cannot write ${long}.unfinished-`);
  assertEquals(folder.names(), ["parley.db"]);
});

Deno.test("backUp() leaves the earlier copy if the database is damaged", async () => {
  await using folder = await databaseFolder();
  const { dir, path } = folder;
  const copy = `${dir}/copy.db`;
  const broker = folder.open();
  for (let i = 0; i < 1_000; i++) storeMessage(broker, "x".repeat(700));
  broker.close();
  await backUp(path, copy);
  const before = await Deno.readFile(copy);
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.fill(0xa5, 40_960, 409_600));
  await assertRejects(() => backUp(path, copy), Error, "Cannot use ");
  assertEquals(await Deno.readFile(copy), before);
  assertEquals(folder.names(), ["copy.db", "parley.db"]);
});

Deno.test("backUp() removes the unfinished copy of a killed backup, and none in progress", async () => {
  await using folder = await databaseFolder();
  folder.open().close();
  for (const name of ["copy.db.unfinished-1", "copy.db.unfinished-1-journal"]) {
    const hours = 2;
    await Deno.writeTextFile(`${folder.dir}/${name}`, "half");
    const changed = new Date(Date.now() - hours * 3_600_000);
    await Deno.utime(`${folder.dir}/${name}`, changed, changed);
  }
  await Deno.writeTextFile(`${folder.dir}/copy.db.unfinished-2`, "half");
  await backUp(folder.path, `${folder.dir}/copy.db`);
  assertEquals(folder.names(), ["copy.db", "copy.db.unfinished-2", "parley.db"]);
});

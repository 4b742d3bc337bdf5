// The storage of a server: the folder's lock, the database and its upkeep.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { openSqliteStorage } from "../../../app/broker/sqlite/storage.ts";
import { withFile } from "../../support/sqlite_harness.ts";
import { defaults, draft } from "./broker_contract.ts";
import { deletion } from "./entries_contract.ts";

/** Runs a test with a data folder, and storage in it whose checks run when the test says so. */
async function withStorage(
  use: (scene: {
    dir: string;
    open(search?: boolean): ReturnType<typeof openSqliteStorage>;
    /** Runs the scheduled tasks, and waits for the work that they start. */
    pass(): Promise<void>;
    names(): readonly string[];
  }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  let tasks: (() => void)[] = [];
  const opened: Awaited<ReturnType<typeof openSqliteStorage>>[] = [];
  try {
    await use({
      dir,
      async open(search = false) {
        const opening = openSqliteStorage({
          ...defaults,
          search,
          path: `${dir}/parley.db`,
          durability: "normal",
          now: Date.now,
          randomName: () => crypto.randomUUID(),
          report: () => {},
          later(ms, task) {
            // Waiting for a lock takes no time here.
            if (ms < 1_000) queueMicrotask(task);
            else tasks.push(task);
            return () => tasks = tasks.filter((other) => other !== task);
          },
        });
        opened.push(await opening);
        return await opening;
      },
      async pass() {
        const due = tasks;
        tasks = [];
        for (const task of due) task();
        await new Promise((resolve) => setTimeout(resolve));
      },
      names: () => [...Deno.readDirSync(dir)].map(({ name }) => name).sort(),
    });
  } finally {
    for (const storage of opened) await storage.close();
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("openSqliteStorage() locks the folder until close()", () =>
  withStorage(async ({ open, names }) => {
    const storage = await open();
    assertEquals(names(), ["parley.db", "parley.db-shm", "parley.db-wal", "parley.lock"]);
    await assertRejects(open, Error, `process ${Deno.pid}`);
    assertEquals(storage.broker.append([draft("a")]), [{ kind: "stored", offset: 1 }]);
    assertEquals(await storage.close(), undefined);
    assertEquals(names(), ["parley.db"]);
    await (await open()).close();
  }));

Deno.test("openSqliteStorage() releases the folder if the database cannot be opened", () =>
  withStorage(async ({ dir, open, names }) => {
    Deno.writeTextFileSync(`${dir}/parley.db`, "this is not a database\n".repeat(100));
    await assertRejects(open, Error, "Cannot open");
    assertEquals(names(), ["parley.db"]);
  }));

Deno.test("openSqliteStorage() refuses a link to a database, which another server may lock elsewhere", () =>
  withStorage(async ({ dir, open, names }) => {
    Deno.mkdirSync(`${dir}/elsewhere`);
    Deno.symlinkSync(`${dir}/elsewhere/parley.db`, `${dir}/parley.db`);
    await assertRejects(open, Error, "it is a symbolic link; link its folder instead");
    assertEquals(names(), ["elsewhere", "parley.db"]);
    assertEquals([...Deno.readDirSync(`${dir}/elsewhere`)], []);
  }));

Deno.test("SqliteStorage.lost resolves once the database was removed, with the path of the copy", () =>
  withStorage(async ({ dir, open, pass, names }) => {
    const storage = await open();
    storage.broker.append([draft("a")]);
    await pass();
    Deno.removeSync(`${dir}/parley.db`);
    await pass();
    const sentence = await storage.lost;
    const copy = names().find((name) => name.includes(".saved-")) ?? "none";
    assertStringIncludes(sentence, copy);
    assertEquals(await storage.close(), sentence);
    assertEquals(names(), [copy]);
  }));

Deno.test("SqliteStorage.lost resolves once another process took the lock, and nothing is stored", () =>
  withStorage(async ({ dir, open, pass, names }) => {
    const storage = await open();
    storage.broker.append([draft("a")]);
    await pass();
    Deno.writeTextFileSync(`${dir}/parley.lock`, "beta 7 id 1\n");
    await pass();
    assertEquals(
      await storage.lost,
      `Lost the lock ${dir}/parley.lock: process 7 on host beta took it`,
    );
    assertEquals(storage.broker.append([draft("b")]), [{ kind: "unavailable" }]);
    await storage.close();
    assertEquals(names(), ["parley.db", "parley.db-shm", "parley.db-wal", "parley.lock"]);
  }));

Deno.test("SqliteStorage.close() saves a database that was removed just before", () =>
  withStorage(async ({ dir, open, names }) => {
    const storage = await open();
    storage.broker.append([draft("a")]);
    Deno.removeSync(dir, { recursive: true });
    assertStringIncludes(await storage.close() ?? "", "its messages are in");
    assert(names().some((name) => name.includes(".saved-")));
  }));

Deno.test("openSqliteStorage() creates no database beside a file that a killed command left", () =>
  withStorage(async ({ dir, open, names }) => {
    const files = [
      [
        "parley.db.unfinished",
        `"import-chat" was interrupted. Run it again, or move parley.db.unf`,
      ],
      [
        "parley.db.before-2026",
        "parley.db.before-2026 in the same folder may contain its messages",
      ],
    ] as const;
    for (const [name, why] of files) {
      await Deno.writeTextFile(`${dir}/${name}`, "messages");
      await assertRejects(() => open(), Error, why);
    }
    assertEquals(names(), files.map(([name]) => name).toSorted());
  }));

Deno.test("openSqliteStorage() erases deleted text within a second, once nobody reads it any more [E10]", () =>
  withStorage(async ({ dir, open, pass }) => {
    const { broker } = await open();
    const path = `${dir}/parley.db`;
    const bytes = () => ["", "-wal"].map((suffix) => Deno.readTextFileSync(path + suffix)).join("");
    broker.append([draft("secret", { nonce: "n" }), draft("kept")]);
    using reader = new DatabaseSync(path);
    reader.exec("BEGIN; SELECT * FROM entries");
    broker.append([deletion([1])]);
    await pass();
    assert(bytes().includes("secret"));
    reader.exec("COMMIT");
    await pass();
    assert(!bytes().includes("secret") && bytes().includes("kept"));
  }));

Deno.test("openSqliteStorage() indexes messages within a second [F1]", () =>
  withStorage(async ({ open, pass }) => {
    const { broker } = await open(true);
    for (let i = 0; i < 100; i++) broker.append([draft(`word${i}`)]);
    for (let i = 0; i < 4; i++) await pass();
    const query = { phrases: [{ words: ["word99"], isPrefix: false }] };
    const found = await broker.search?.({ query, limit: 20 });
    assertEquals(found?.messages.map(({ text }) => text), ["word99"]);
  }));

Deno.test("DatabaseFile commits to the disk with full durability, and never waits for a lock", () =>
  withFile((path) => {
    for (const [durability, synchronous] of [["normal", 1], ["full", 2]] as const) {
      const file = new DatabaseFile(path, durability, 500);
      assertEquals(file.get("PRAGMA synchronous"), { synchronous });
      assertEquals(file.get("PRAGMA busy_timeout"), { timeout: 0 });
      file.close();
    }
  }));

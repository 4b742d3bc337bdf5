// Migrations of the database, and its indexes.

import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { countMessages } from "../../../app/broker/sqlite/entries.ts";
import { migrate, migrations, schemaVersion } from "../../../app/broker/sqlite/schema.ts";

Deno.test("migrate() upgrades a database of any version, with its rows", () => {
  const steps = [...migrations, "CREATE TABLE pets (name)", "ALTER TABLE pets ADD COLUMN age"];
  for (let version = 0; version <= steps.length; version++) {
    using database = new DatabaseSync(":memory:");
    if (version > 0) {
      migrate(database, steps.slice(0, version));
      database.exec("INSERT INTO epochs (name) VALUES ('kept')");
    }
    assertEquals(migrate(database, steps), version);
    assertEquals(database.prepare("PRAGMA user_version").get()?.user_version, steps.length);
    assertEquals(database.prepare("SELECT name FROM epochs").all().length, version > 0 ? 1 : 0);
    database.exec("INSERT INTO pets (name, age) VALUES ('Tom', 3)");
  }
  assertEquals(schemaVersion, migrations.length);
});

Deno.test("migrate() changes nothing if a step fails or the database is of a newer version", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database);
  const bad = [...migrations, "CREATE TABLE pets (name)", "CREATE TABLE pets (name)"];
  assertThrows(() => migrate(database, bad), Error, "already exists");
  assertEquals(database.isTransaction, false);
  assertEquals(database.prepare("PRAGMA user_version").get()?.user_version, schemaVersion);
  migrate(database, bad.slice(0, -1));
  assertThrows(() => migrate(database), Error, "made by a newer version of Parley");
});

Deno.test("countMessages() finds the entries to leave out by their index, however long the log is [E8]", () => {
  using database = new DatabaseSync(":memory:");
  migrate(database);
  const statements: string[] = [];
  const file = {
    get(sql: string) {
      statements.push(sql);
      return { count: 2 };
    },
  };
  assertEquals(countMessages(file, 1, 10, 20), 8);
  for (const sql of statements) {
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => detail);
    const searches = plan.filter((detail) => String(detail).includes("entries"));
    assertEquals(
      new Set(searches),
      new Set(["SEARCH entries USING INDEX entries_other (room=? AND offset>? AND offset<?)"]),
    );
  }
});

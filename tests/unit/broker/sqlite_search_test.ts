// The search index of SqliteBroker.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { expressionsOf, SearchIndex } from "../../../app/broker/sqlite/search_index.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteOptions } from "../../../app/broker/sqlite/options.ts";
import { matchesOf, parseQuery } from "../../../app/protocol/search.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { all, bytesOf, change, optionsFor, withFile } from "../../support/sqlite_harness.ts";
import type { BrokerSettings } from "./broker_contract.ts";
import { draft } from "./broker_contract.ts";
import { deletion, edit } from "./entries_contract.ts";
import { testSearch } from "./search_contract.ts";

/** Returns the options of a broker with an index. */
function optionsOf(path: string, settings: Partial<BrokerSettings> = {}) {
  return { ...optionsFor(path, undefined, settings), search: true };
}

/** Runs `use` with a broker that is closed afterwards. */
async function withBroker(
  options: SqliteOptions,
  use: (broker: SqliteBroker) => unknown,
): Promise<void> {
  const broker = new SqliteBroker(options);
  try {
    await use(broker);
  } finally {
    broker.close();
  }
}

/** Takes steps of indexing until there is no more to do. */
function indexAll(broker: SqliteBroker): void {
  for (let steps = 0; broker.index(); steps++) assert(steps < 10_000);
}

/** Returns the texts of the messages that a query finds. */
async function find(broker: SqliteBroker, query: string): Promise<readonly (string | undefined)[]> {
  const parsed = parseQuery(query);
  assert(parsed !== undefined && broker.search !== undefined);
  const page = await broker.search({ query: parsed, limit: 20 });
  return (page?.messages ?? []).map(({ text }) => text);
}

/** Fails unless the full-text tables are sound. */
function checkIndex(path: string): void {
  using database = new DatabaseSync(path);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE sql LIKE '%USING fts5%'");
  for (const { name } of tables.all()) {
    database.exec(`INSERT INTO ${name} (${name}) VALUES ('integrity-check')`);
  }
  assertEquals(database.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
}

function countTables(path: string): number {
  using database = new DatabaseSync(path);
  const count = "SELECT count(*) AS count FROM sqlite_schema WHERE name GLOB 'search_*'";
  return Number(database.prepare(count).get()?.count);
}

Deno.test("SqliteBroker.index() indexes rooms by time, and skips private ones [F1]", () =>
  withFile(async (path) => {
    const wall = { ms: 1_000_000 };
    const options = { ...optionsFor(path, wall), search: true };
    await withBroker(options, async (broker) => {
      for (let i = 0; i < 300; i++) {
        wall.ms++;
        const room = i % 3 === 2 ? "p-secret" : `room-${i % 3}`;
        broker.append([draft(`word number${i}`, { room, nonce: `n${i}` })]);
      }
      assertEquals(await find(broker, "word"), []);
      indexAll(broker);
      const newest = [...Array(30)].map((_, i) => 299 - i).filter((i) => i % 3 !== 2);
      assertEquals(await find(broker, "word"), newest.map((i) => `word number${i}`));
      assertEquals(
        await find(broker, "number4*"),
        [49, 48, 46, 45, 43, 42, 40, 4].map((i) => `word number${i}`),
      );
      assertEquals(await find(broker, "number2"), []);
      assertEquals(await find(broker, "in:p-secret word"), []);
      assertEquals((await find(broker, "word in:room-1")).length, 20);
      assertEquals(await find(broker, "number3 in:room-1"), []);
    });
  }));

testSearch("SqliteBroker", (settings, wall) => {
  return new SqliteBroker({ ...optionsFor(":memory:", wall, settings), search: true });
}, (broker) => indexAll(broker as SqliteBroker));

Deno.test("SqliteBroker.search() finds an edited message by its new words only [F5]", () =>
  withFile((path) =>
    withBroker(optionsOf(path), async (broker) => {
      broker.append([draft("first words"), draft("later")]);
      broker.append([edit(1, "edited before")]);
      indexAll(broker);
      broker.append([edit(2, "edited after")]);
      assertEquals(await find(broker, "first"), []);
      assertEquals(await find(broker, "later"), []);
      assertEquals(await find(broker, "edited"), ["edited after", "edited before"]);
      broker.append([edit(2, "twice", { nonce: "x" }), edit(2, "thrice", { nonce: "y" })]);
      assertEquals(await find(broker, "twice"), []);
      assertEquals(await find(broker, "thrice from:ada"), ["thrice"]);
    })
  ));

Deno.test("SqliteBroker.index() erases deleted and replaced words from all files [F5]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), async (broker) => {
      const random = new SeededRandom(2);
      const [present, gone] = [new Map<number, string>(), new Set<string>()];
      let offset = 0;
      for (let i = 0; i < 1_500; i++) {
        const mark = `${random.below(1e9).toString(36)}${"x".repeat(20)}${i}`;
        const target = random.isTrue(0.6) ? undefined : random.pick([...present.keys()]);
        const isEdit = random.isTrue(0.5);
        const text = `${mark} the same ${random.below(50)}`;
        const more = { nonce: `n${i}` };
        const [result] = broker.append([
          target === undefined
            ? draft(text, more)
            : isEdit
            ? edit(target, text, more)
            : deletion([target], more),
        ]);
        if (result?.kind !== "stored") continue;
        offset = result.offset;
        if (target !== undefined) gone.add(present.get(target) ?? "");
        if (target === undefined) present.set(offset, mark);
        else if (isEdit) present.set(target, mark);
        else present.delete(target);
        if (i % 10 === 0) broker.index();
      }
      indexAll(broker);
      broker.eraseDeleted();
      const bytes = bytesOf(path);
      assert(gone.size > 400);
      // Most of each word too, since SQLite shortens words that begin alike.
      assertEquals([...gone].filter((mark) => bytes.includes(mark.slice(1))), []);
      for (const [, mark] of [...present].slice(0, 200)) {
        assertEquals((await find(broker, mark)).length, 1, mark);
      }
      for (const mark of [...gone].slice(0, 200)) assertEquals(await find(broker, mark), []);
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.index() erases deleted words from the separators between index pages [F5]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), async (broker) => {
      const messages = 4_000;
      for (let i = 0; i < messages; i++) {
        broker.append([draft(`secret${i * 1_009 % messages}end the same`, { nonce: `n${i}` })]);
      }
      indexAll(broker);
      using database = new DatabaseSync(path, { readOnly: true });
      const separators = () =>
        database.prepare("SELECT CAST(term AS TEXT) AS term FROM search_3_0_idx").all()
          .map(({ term }) => String(term).slice(1)).filter((term) => /^secret\d{4}/.test(term));
      const words = separators();
      assert(words.length > 0);
      for (const word of words) {
        const i = Array.from({ length: messages }, (_, i) => i * 1_009 % messages)
          .indexOf(Number(/\d{4}/.exec(word)?.[0]));
        broker.append([deletion([i + 1], { nonce: `d${i}` })]);
        assertEquals(await find(broker, `${word}*`), []);
      }
      indexAll(broker);
      assert(words.every((word) => !separators().includes(word)));
      broker.eraseDeleted();
      const bytes = bytesOf(path);
      assertEquals(words.filter((word) => bytes.includes(word)), []);
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.index() erases deleted words from an index that has shrunk [F5]", () =>
  withFile((path) =>
    withBroker(optionsOf(path), async (broker) => {
      const wordsOf = (i: number) => Array.from({ length: 40 }, (_, j) => `${i * 41 + j}x${i}y`);
      const add = (from: number, to: number) => {
        for (let i = from; i <= to; i++) {
          broker.append([draft(wordsOf(i).join(" "), { nonce: `n${i}` })]);
        }
        indexAll(broker);
      };
      const remove = (...targets: readonly number[]) => {
        broker.append([deletion(targets, { nonce: `d${targets[0]}` })]);
        indexAll(broker);
      };
      const offset = () => broker.read("lobby", all).head.offset;
      add(1, 60);
      // Each of these adds levels to the index.
      for (let i = 0; i < 3; i++) {
        add(61 + i, 61 + i);
        remove(offset());
      }
      remove(...Array.from({ length: 55 }, (_, i) => i + 4));
      remove(1);
      add(70, 80);
      remove(2);
      broker.eraseDeleted();
      const bytes = bytesOf(path);
      const left = [1, 2, 3, 30].map((i) =>
        wordsOf(i).filter((word) => bytes.includes(word)).length
      );
      assertEquals(left, [0, 0, 40, 0]);
      assertEquals((await find(broker, wordsOf(3)[7] ?? "")).length, 1);
      checkIndex(path);
    })
  ));

Deno.test("SearchIndex.remove() changes a few rows, however many words a message has [F5]", () =>
  withFile(async (path) => {
    const words = Array.from({ length: 2_000 }, (_, i) => String.fromCodePoint(0x4e00 + i));
    await withBroker(optionsOf(path), (broker) => {
      for (let i = 0; i < 30; i++) broker.append([draft(words.join(""), { nonce: `n${i}` })]);
    });
    const file = new DatabaseFile(path, "normal", 0);
    try {
      const index = new SearchIndex(true);
      const step = () => file.transaction(() => index.step(file), () => {});
      while (step());
      const changes = () => Number(file.get("SELECT total_changes() AS count")?.count);
      const before = changes();
      file.transaction(() => index.remove(file, 1, 1), () => {});
      assert(changes() - before < 100, `${changes() - before} rows`);
      assert(index.mustErase);
      while (step());
      assert(!index.mustErase);
    } finally {
      file.close();
    }
  }));

Deno.test("SqliteBroker.index() erases the words of messages that were removed before a restart [F5]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), (broker) => {
      for (let i = 0; i < 40; i++) broker.append([draft(`secret${i}`, { nonce: `n${i}` })]);
      indexAll(broker);
      broker.append([deletion([7])]);
    });
    await withBroker(optionsOf(path), (broker) => {
      indexAll(broker);
      broker.eraseDeleted();
    });
    using database = new DatabaseSync(path, { readOnly: true });
    const segments = "SELECT count(DISTINCT segid) AS count FROM search_3_0_idx";
    assertEquals(database.prepare(segments).get()?.count, 1);
  }));

Deno.test("SqliteBroker.index() erases deleted words even if the database is full [F5]", () =>
  withFile(async (path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = { ...optionsFor(path, wall, { maxDataBytes: 300_000 }), search: true };
    await withBroker(options, (broker) => {
      const text = "x".repeat(2_000);
      for (let i = 0; i < 500; i++) {
        wall.ms += 1_000;
        const more = { nonce: `n${i}` };
        const [result] = broker.append([draft(`secretive${i}z ${text}`, more)]);
        if (result?.kind !== "stored") break;
        indexAll(broker);
      }
      assert(broker.isFull);
      broker.append([deletion([2])]);
      indexAll(broker);
      broker.eraseDeleted();
      assertEquals(bytesOf(path).includes("ecretive1z"), false);
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.prune() removes messages from the index, a few in each step [F5]", () =>
  withFile(async (path) => {
    const options = optionsOf(path, { retentionMessages: 3 });
    await withBroker(options, async (broker) => {
      for (let i = 0; i < 50; i++) broker.append([draft(`word secret${i}`, { nonce: `n${i}` })]);
      indexAll(broker);
      let steps = 0;
      while (broker.prune()) steps++;
      assert(steps >= 3, `${steps}`);
      assertEquals((await find(broker, "word")).length, 3);
      broker.append([draft("word again")]);
      indexAll(broker);
      assertEquals((await find(broker, "word")).length, 4);
      broker.eraseDeleted();
      const bytes = bytesOf(path);
      assert(!bytes.includes("secret46") && bytes.includes("secret49"));
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.index() indexes what pruning has left of a room that waits for it [F1]", () =>
  withFile((path) =>
    withBroker(optionsOf(path, { retentionMessages: 40 }), async (broker) => {
      broker.append(Array.from({ length: 80 }, (_, i) => draft(`word${i}`)));
      // The first step indexes some of the messages that the next one prunes.
      broker.index();
      while (broker.prune());
      indexAll(broker);
      for (let i = 0; i < 80; i++) {
        assertEquals(await find(broker, `word${i}`), i < 40 ? [] : [`word${i}`]);
      }
    })
  ));

Deno.test("SqliteBroker.prune() drops the tables of the index that become empty [F5]", () =>
  withFile(async (path) => {
    let tables = 0;
    await withBroker(optionsOf(path), (broker) => {
      broker.append([draft("first", { room: "quiet" })]);
      const drafts = Array.from({ length: 9_000 }, (_, i) => draft("word", { nonce: `n${i}` }));
      for (let i = 0; i < drafts.length; i += 500) broker.append(drafts.slice(i, i + 500));
      indexAll(broker);
      tables = countTables(path);
    });
    await withBroker(optionsOf(path, { retentionMessages: 10 }), async (broker) => {
      while (broker.prune());
      indexAll(broker);
      assertEquals(countTables(path), tables);
      assertEquals(await find(broker, "first"), ["first"]);
      broker.append(Array.from({ length: 11 }, (_, i) => draft(`${i}`, { room: "quiet" })));
      while (broker.prune());
      broker.append([draft("last")]);
      while (broker.prune());
      indexAll(broker);
      assert(countTables(path) < tables);
      assertEquals(await find(broker, "first"), []);
      assertEquals((await find(broker, "word")).length, 9);
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.index() continues where a killed server stopped [F6]", () =>
  withFile((path) =>
    withBroker(optionsOf(path), async (broker) => {
      for (let i = 0; i < 200; i++) broker.append([draft(`word ${i}`, { room: `r${i % 2}` })]);
      broker.index();
      for (const suffix of ["", "-wal"]) Deno.copyFileSync(path + suffix, `${path}.copy${suffix}`);
      await withBroker(optionsOf(`${path}.copy`), async (other) => {
        const found = (await find(other, "word*")).length;
        assertEquals(found, 20);
        other.append([draft("word 200", { room: "r0" })]);
        indexAll(other);
        for (let i = 0; i <= 200; i++) assertEquals(await find(other, `word ${i}`), [`word ${i}`]);
      });
      checkIndex(`${path}.copy`);
    })
  ));

Deno.test("SqliteBroker.index() rebuilds an index that is incomplete or of another version [F6]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), (broker) => {
      broker.append([draft("secret one"), draft("two")]);
      indexAll(broker);
    });
    await withBroker(optionsFor(path), (broker) => broker.append([deletion([1])]));
    change(path, "ALTER TABLE search_runs_3 RENAME TO search_runs_1");
    await withBroker(optionsOf(path), async (broker) => {
      assertEquals(await find(broker, "two"), []);
      indexAll(broker);
      assertEquals(await find(broker, "two"), ["two"]);
      assertEquals(await find(broker, "secret"), []);
    });
  }));

Deno.test("SqliteBroker.index() rebuilds a corrupt index, and deletions work meanwhile [F6]", () =>
  withFile((path) =>
    withBroker(optionsOf(path), async (broker) => {
      broker.append([draft("one"), draft("two")]);
      indexAll(broker);
      {
        using database = new DatabaseSync(path);
        database.enableDefensive(false);
        database.exec("UPDATE search_3_0_data SET block = x'00' WHERE id > 100");
      }
      assertEquals(broker.append([deletion([1])]).map(({ kind }) => kind), ["stored"]);
      assertThrows(() => indexAll(broker));
      indexAll(broker);
      assertEquals([await find(broker, "one"), await find(broker, "two")], [[], ["two"]]);
    })
  ));

Deno.test("SqliteBroker.index() removes the index if search is off [F6]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), (broker) => {
      broker.append([draft("secret")]);
      indexAll(broker);
    });
    assert(countTables(path) > 0);
    await withBroker(optionsFor(path), (broker) => {
      assertEquals(broker.search, undefined);
      indexAll(broker);
    });
    assertEquals(countTables(path), 0);
  }));

Deno.test("SqliteBroker.index() rebuilds an index that was partly dropped [F6]", () =>
  withFile(async (path) => {
    const wall = { ms: 1_000_000 };
    const messages = 300;
    await withBroker({ ...optionsFor(path, wall), search: true }, (broker) => {
      for (let i = 0; i < messages; i++) {
        wall.ms++;
        broker.append([draft(`word ${i}`, { room: `r${i % 2}`, nonce: `n${i}` })]);
      }
      indexAll(broker);
    });
    await withBroker(optionsFor(path, wall), (broker) => {
      broker.append([deletion([1], { room: "r0" })]);
      for (let i = 0; i < 3; i++) assert(broker.index());
    });
    await withBroker({ ...optionsFor(path, wall), search: true }, async (broker) => {
      assertEquals(await find(broker, "word*"), []);
      indexAll(broker);
      const expected = [...Array(messages - 1)].map((_, i) => `word ${messages - 1 - i}`);
      const query = parseQuery("word");
      assert(query !== undefined);
      const page = await broker.search?.({ query, limit: messages });
      assertEquals(page?.messages.map(({ text }) => text), expected);
    });
    checkIndex(path);
  }));

Deno.test("SqliteBroker.search() accepts any query that parses", () =>
  withFile((path) =>
    withBroker(optionsOf(path), async (broker) => {
      broker.append([draft("東京 x AND y NEAR z")]);
      indexAll(broker);
      const random = new SeededRandom(3);
      const pieces = ['"', "*", "from:", "in:", "a", "東", "\ud800", "NEAR(", " ", "AND", "-", "^"]
        .concat(["(", ")", "{", "}", ":", "'", "\\", "\u0000", "text", ";", "+", "OR", "NOT"]);
      for (let i = 0; i < 2_000; i++) {
        const text = Array.from({ length: random.below(12) }, () => random.pick(pieces)).join("");
        const query = parseQuery(text);
        if (query !== undefined) await broker.search?.({ query, limit: 1 });
      }
      assertEquals((await find(broker, "京 AND near*")).length, 1);
    })
  ));

Deno.test("SqliteBroker.search() finds the same messages as a scan, in any script [F2] [F3]", () =>
  withBroker({ ...optionsOf(":memory:") }, async (broker) => {
    const random = new SeededRandom(4);
    const pieces = [
      "a",
      "b",
      "A",
      "é",
      "e\u0301",
      "ß",
      "ss",
      "İ",
      "i",
      "東",
      "京",
      "の",
      "か\u3099",
      "한",
    ]
      .concat([
        "국어",
        "ส",
        "วั",
        "ำ",
        "ครับ",
        "मे",
        "क्",
        "م",
        "\u064e",
        "ﷺ",
        "ש",
        "ּ",
        "😀",
        "❤️",
        "1️⃣",
      ])
      .concat([
        "½",
        "ﬁ",
        "𠮷",
        "𝒜",
        "٣",
        "\u200d",
        "\u202e",
        "NEAR",
        "AND",
        "OR",
        "NOT",
        "*",
        '"',
        "^",
      ])
      .concat(["-", ":", "(", ")", "{text}", "'", "_", "x".repeat(70), " ", " ", " ", " "]);
    const text = (max: number) =>
      Array.from({ length: 1 + random.below(max) }, () => random.pick(pieces)).join("");
    const drafts = Array.from(
      { length: 200 },
      (_, i) => ({ ...draft(text(12), { nonce: `n${i}` }), from: text(3) }),
    );
    broker.append(drafts);
    indexAll(broker);
    let found = 0;
    for (let i = 0; i < 600; i++) {
      const query = parseQuery(random.isTrue(0.2) ? `from:${text(2)} ${text(3)}` : text(5));
      if (query === undefined) continue;
      const expected = drafts.flatMap((message, i) => matchesOf(query, message) ? [i + 1] : []);
      const page = await broker.search?.({ query, limit: drafts.length });
      const offsets = page?.messages.map(({ offset }) => offset);
      assertEquals(offsets, expected.reverse(), JSON.stringify(query));
      found += expected.length;
    }
    assert(found > 500);
  }));

Deno.test("SqliteBroker.index() limits the size of its tables, even if texts repeat few words [F8]", () =>
  withFile(async (path) => {
    await withBroker(optionsOf(path), (broker) => {
      const text = "a b ".repeat(1_000).trim();
      broker.append(Array.from({ length: 900 }, (_, i) => draft(text, { nonce: `n${i}` })));
      indexAll(broker);
    });
    using database = new DatabaseSync(path);
    const pages = database.prepare("SELECT count(*) AS count FROM search_3_0_data").get()?.count;
    assert(Number(pages) < 400, `${pages}`);
  }));

Deno.test("expressionsOf() truncates long phrases, which keep SQLite busy [F8]", () => {
  const countWords = (query: string) => {
    const parsed = parseQuery(query);
    assert(parsed !== undefined);
    return expressionsOf(parsed, undefined).expression.match(/[ab]\b/g)?.length;
  };
  assertEquals(countWords(`"${"a b ".repeat(40)}"`), 8);
  assertEquals(countWords('"a b a b" "b a b a a"'), 8);
  assertEquals(countWords('"a b a" "b a" "a" b a a a a'), 10);
});

Deno.test("SqliteBroker.search() returns how far it got if it takes too long [F7]", () =>
  withFile(async (path) => {
    const wall = { ms: 1_000_000 };
    const options = { ...optionsFor(path, wall), search: true, searchMaxMs: 0 };
    await withBroker(options, async (broker) => {
      const query = parseQuery("first");
      assert(query !== undefined && broker.search !== undefined);
      broker.append([draft("first")]);
      for (let i = 1; i <= 9_000; i += 500) {
        wall.ms++;
        broker.append(Array.from({ length: 500 }, (_, j) => draft("word", { nonce: `n${i + j}` })));
      }
      indexAll(broker);
      const { messages, next, since } = await broker.search({ query, limit: 20 }) ?? {};
      assertEquals(messages, []);
      assert(next !== undefined && since !== undefined && since > 1_000_000 && since < wall.ms);
      const last = await broker.search({ query, limit: 20, before: next });
      assertEquals(last?.messages.map(({ text }) => text), ["first"]);
      assertEquals([last?.next, last?.since], [undefined, undefined]);
    });
  }));

Deno.test("SqliteBroker.search() pages are stable while messages arrive and disappear [F4]", () =>
  withBroker(optionsOf(":memory:"), async (broker) => {
    const query = parseQuery("word*");
    assert(query !== undefined && broker.search !== undefined);
    for (let i = 1; i <= 30; i++) broker.append([draft(`word${i}`, { nonce: `n${i}` })]);
    indexAll(broker);
    const found: number[] = [];
    let before: string | undefined;
    for (let i = 0; i === 0 || before !== undefined; i++) {
      const page = await broker.search({ query, limit: 5, ...before !== undefined && { before } });
      assert(page !== undefined);
      found.push(...page.messages.map(({ offset }) => offset));
      before = page.next;
      broker.append([draft("word new", { nonce: `x${i}` }), edit(2, `word again ${i}`)]);
      if (i === 0) broker.append([deletion([30, 25])]);
      indexAll(broker);
    }
    // 30 was deleted after it was found, 25 before.
    const kept = Array.from({ length: 30 }, (_, i) => 30 - i).filter((i) => i !== 25);
    assertEquals(found, kept);
  }));

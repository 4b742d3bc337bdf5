// Deleted text leaves the files of the database.

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { FreeSpace } from "../../../app/broker/sqlite/free_space.ts";
import {
  broken,
  bytesOf,
  change,
  optionsFor,
  withBroker,
  withFile,
} from "../../support/sqlite_harness.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { draft } from "./broker_contract.ts";
import { deletion, edit, title } from "./entries_contract.ts";

Deno.test("SqliteBroker.prune() leaves no deleted text in the files, and shrinks them", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 1 });
    withBroker(options, (broker) => {
      for (let i = 0; i < 2_000; i++) {
        broker.append([{ ...draft(`secret ${"x".repeat(500)}`), nonce: `n${i}` }]);
      }
      broker.append([draft("kept")]);
      const before = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      let steps = 0;
      while (broker.prune()) assert(++steps < 100);
      assertEquals(bytesOf(path).includes("secret"), false);
      const after = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      assert(after < before / 4, `${before} ${after}`);
      assert(Deno.statSync(path).size < 500_000);
    });
  }));

Deno.test("SqliteBroker.eraseDeleted() leaves no deleted title in the files [E10]", () =>
  withFile((path) => {
    withBroker(optionsFor(path), (broker) => {
      broker.append([draft("a"), title("secret", { nonce: "t" })]);
      assert(bytesOf(path).includes("secret"));
      broker.append([deletion([2])]);
      broker.eraseDeleted();
      assertEquals(bytesOf(path).includes("secret"), false);
    });
  }));

Deno.test("SqliteBroker.eraseDeleted() erases once another program no longer reads the deleted text [E10]", () =>
  withFile((path) => {
    withBroker(optionsFor(path), (broker) => {
      broker.append([draft("secret", { nonce: "n" })]);
      using reader = new DatabaseSync(path);
      reader.exec("BEGIN; SELECT * FROM entries");
      broker.append([deletion([1])]);
      broker.eraseDeleted();
      assert(bytesOf(path).includes("secret"));
      reader.exec("COMMIT");
      broker.eraseDeleted();
      assertEquals(bytesOf(path).includes("secret"), false);
    });
  }));

Deno.test("SqliteBroker.eraseDeleted() erases text that a server deleted before it was killed [E10]", () =>
  withFile((path) => {
    const killed = `${path}.killed`;
    withBroker(optionsFor(path), (broker) => {
      broker.append([draft("secret", { nonce: "n" })]);
      broker.append([deletion([1])]);
      for (const suffix of ["", "-wal"]) Deno.copyFileSync(path + suffix, killed + suffix);
    });
    assert(bytesOf(killed).includes("secret"));
    withBroker(optionsFor(killed), (broker) => {
      broker.eraseDeleted();
      assertEquals(bytesOf(killed).includes("secret"), false);
    });
  }));

Deno.test("SqliteBroker.eraseDeleted() empties the journal after a commit that deleted despite an error [E10]", () =>
  withFile((path) => {
    withBroker(optionsFor(path), (broker) => {
      broker.append([draft("a")]);
      broker.eraseDeleted();
      // After two failures, the broker closes the file.
      broker.append([broken]);
      broker.append([broken]);
      change(
        path,
        `INSERT INTO entries (room, offset, epoch, at, member, username, text, nonce, kind, ordinal)
           SELECT room, 2, epoch, at, member, username, '[1]', 'late', 2, 1 FROM entries;
         UPDATE entries SET text = NULL, amended = 2, deleted_by = member WHERE offset = 1;
         UPDATE rooms SET head = 2;`,
      );
      assertEquals(broker.append([draft("b")]), [{ kind: "stored", offset: 3 }]);
      broker.eraseDeleted();
      assertEquals(Deno.statSync(`${path}-wal`).size, 0);
    });
  }));

Deno.test("DatabaseFile.eraseFreeSpace() walks through all pages after the file was reopened [E10]", () =>
  withFile((path) => {
    const file = new DatabaseFile(path, "normal", 0);
    file.get("PRAGMA wal_checkpoint(TRUNCATE)");
    assertEquals(file.eraseFreeSpace(1, true), true);
    file.close();
    const reopened = new DatabaseFile(path, "normal", 0);
    assertEquals(reopened.eraseFreeSpace(1, false), true);
    assertEquals(reopened.eraseFreeSpace(1_000, false), false);
    // Text has been deleted since.
    assertEquals(reopened.eraseFreeSpace(1, true), true);
    assertEquals(reopened.eraseFreeSpace(1_000, false), false);
    reopened.close();
  }));

Deno.test("FreeSpace.erase() erases between the header and the cells of b-tree pages, and nothing else [E10]", () =>
  withFile((path) => {
    const pages = [2, 5, 5, 13, 0].map((type, index) => {
      const page = new Uint8Array(4_096).fill(7);
      const header = index === 0 ? 100 : 0;
      // A page of this type without cells, whose content starts at byte 4,000.
      page.set([type, 0, 0, 0, 0, 4_000 >> 8, 4_000 & 255], header);
      return page;
    });
    // The second page, or the third, is a pointer map, whatever its first byte is.
    Deno.writeFileSync(path, new Uint8Array(pages.flatMap((page) => [...page])));
    const space = new FreeSpace(path);
    assertEquals(space.erase(100), false);
    space.close();
    const bytes = Deno.readFileSync(path);
    const gaps = pages.map((_, index) => {
      const page = bytes.subarray(index * 4_096, (index + 1) * 4_096);
      return [page.indexOf(0, 108), page.lastIndexOf(0)];
    });
    assertEquals(gaps[0], [112, 3_999]);
    assertEquals([gaps[1], gaps[2], gaps[4]], Array(3).fill([-1, 4]));
    assertEquals([gaps[3], bytes[3 * 4_096 + 7], bytes[3 * 4_096 + 8]], [[108, 3_999], 7, 0]);
  }));

Deno.test("DatabaseFile.usedBytes() doesn't count free pages", () =>
  withFile((path) => {
    const file = new DatabaseFile(path, "normal", 0);
    const before = file.usedBytes();
    file.run("CREATE TABLE t (data)");
    file.run("INSERT INTO t VALUES (randomblob(100000))");
    assert(file.usedBytes() > before + 100_000);
    file.run("DROP TABLE t");
    assertEquals(file.usedBytes(), before);
    file.close();
  }));

Deno.test("SqliteBroker.eraseDeleted() leaves no deleted or replaced text in the files [E10]", () =>
  withFile((path) => {
    withBroker(optionsFor(path), (broker) => {
      const random = new SeededRandom(1);
      const [present, gone] = [new Map<string, string>(), new Set<string>()];
      let count = 0;
      // Rows that grow and rooms that alternate make SQLite split pages, which leaves copies.
      for (let i = 0; i < 4_000; i++) {
        const room = `room-${random.below(5)}`;
        const mark = `<${++count}>`;
        const text = mark +
          "x".repeat(random.isTrue(0.1) ? random.below(6_000) : random.below(300));
        const own = [...present.keys()].filter((key) => key.startsWith(room));
        const key = random.isTrue(0.6) ? undefined : random.pick(own);
        const target = Number(key?.split(" ")[1]);
        const isEdit = random.isTrue(0.5);
        const more = { room, nonce: `n${count}` };
        const [result] = broker.append([
          key === undefined
            ? draft(text, more)
            : isEdit
            ? edit(target, text, more)
            : deletion([target], more),
        ]);
        assert(result?.kind === "stored" || result?.kind === "edits_exhausted");
        if (result.kind !== "stored") continue;
        if (key !== undefined) gone.add(present.get(key) ?? "");
        if (key === undefined) present.set(`${room} ${result.offset}`, mark);
        else if (isEdit) present.set(key, mark);
        else present.delete(key);
      }
      broker.eraseDeleted();
      assert(gone.size > 1_000);
      const bytes = bytesOf(path);
      assertEquals([...gone].filter((mark) => bytes.includes(mark)), []);
      assertEquals([...present.values()].filter((mark) => !bytes.includes(mark)), []);
    });
    using database = new DatabaseSync(path);
    assertEquals(database.prepare("PRAGMA integrity_check").get()?.integrity_check, "ok");
  }));

Deno.test("SqliteBroker.append() refuses entries beyond maxDataBytes, except repeats and deletions [M3]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = optionsFor(path, wall, { maxDataBytes: 200_000 });
    withBroker(options, (broker) => {
      let stored = 0;
      for (;;) {
        wall.ms += 1_000;
        const more = { ...draft("x".repeat(2_000)), nonce: `n${stored}` };
        const kind = broker.append([more])[0]?.kind;
        if (kind !== "stored") {
          assertEquals(kind, "storage_full");
          break;
        }
        stored++;
        assert(stored < 200);
      }
      assert(stored > 20 && broker.isFull);
      const [repeat, newRoom, edited, deleted] = broker.append([
        { ...draft("x".repeat(2_000)), nonce: "n0" },
        draft("x", { room: "new" }),
        edit(1, "x"),
        deletion([1]),
      ]);
      assertEquals([repeat?.kind, newRoom?.kind], ["repeat", "storage_full"]);
      assertEquals([edited?.kind, deleted?.kind], ["storage_full", "stored"]);
    });
  }));

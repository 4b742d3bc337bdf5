// SqliteBroker: the index of nonces.

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { Nonces } from "../../../app/broker/sqlite/nonces.ts";
import type { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { broken, optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";

/** Slightly more than six generations of nonces, if a chunk has three. */
const manyDrafts = Array.from({ length: 600 }, (_, i) => draft(`m${i}`));
const manyRepeats = manyDrafts.map((_, i) => ({ kind: "repeat" as const, offset: i + 1 }));

/** Stores the drafts, some of them at once. */
function storeMany(broker: SqliteBroker): void {
  for (let start = 0; start < manyDrafts.length;) {
    const end = start + 1 + start % 5;
    broker.append(manyDrafts.slice(start, end));
    start = end;
  }
}

Deno.test("SqliteBroker.append() recognizes every nonce after a stop and after a kill [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const killed = `${path}.killed`;
    const drafts = [..."abcdefgh"].map((text) => draft(text));
    const otherRoom = draft("other", { room: "design" });
    withBroker(options, (broker) => {
      broker.append([otherRoom]);
      for (const one of drafts) broker.append([one]);
      for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
    });
    for (const file of [path, killed]) {
      withBroker({ ...options, path: file }, (broker) => {
        const results = broker.append([...drafts, otherRoom]);
        assertEquals(results.map((result) => Object.values(result)), [
          ...drafts.map((_, i) => ["repeat", i + 1]),
          ["repeat", 1],
        ]);
      });
    }
  }));

Deno.test("SqliteBroker.append() recognizes the nonces of removed entries after a kill [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const drafts = Array.from({ length: 10 }, (_, i) => draft(`m${i}`));
    const repeats = drafts.map((_, i) => ({ kind: "repeat" as const, offset: i + 1 }));
    const killed = `${path}.killed`;
    withBroker({ ...options, retentionMessages: 2 }, (broker) => {
      broker.append(drafts.slice(0, 7));
      broker.append(drafts.slice(7));
      while (broker.prune());
      assertEquals(broker.append(drafts), repeats);
      for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
    });
    withBroker({ ...options, path: killed }, (broker) => {
      assertEquals(broker.append(drafts), repeats);
      assertEquals(broker.append([draft("new")]), [{ kind: "stored", offset: 11 }]);
    });
  }));

Deno.test("SqliteBroker.append() recognizes nonces that a failed transaction has written [M3]", () =>
  withBroker({ ...optionsFor(":memory:"), recentNonces: 2 }, (broker) => {
    const drafts = ["a", "b", "c", "d", "e"].map((text) => draft(text));
    broker.append(drafts.slice(0, 3));
    broker.append([broken]);
    broker.append(drafts.slice(3));
    broker.append([broken]);
    assertEquals(
      broker.append(drafts),
      drafts.map((_, i) => ({ kind: "repeat", offset: i + 1 })),
    );
  }));

Deno.test("SqliteBroker.append() recognizes a nonce only once its transaction is committed [M3]", () =>
  withBroker({ ...optionsFor(":memory:"), recentNonces: 2 }, (broker) => {
    broker.append([draft("a"), draft("b"), draft("a")]);
    // This transaction would have written the first two.
    broker.append([draft("c"), { ...broken, nonce: "n-broken" }]);
    const results = broker.append([draft("a"), draft("c"), draft("b"), draft("c")]);
    assertEquals(results.map(({ kind }) => kind), ["repeat", "stored", "repeat", "repeat"]);
    assertEquals(broker.append([draft("c")]), [{ kind: "repeat", offset: 3 }]);
  }));

Deno.test("SqliteBroker.append() recognizes nonces of any age, even after stops and kills [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const killed = `${path}.killed`;
    const assertRecognized = (broker: SqliteBroker) => {
      assertEquals(broker.append(manyDrafts), manyRepeats);
      broker.append([broken]);
      for (let i = 0; i < manyDrafts.length; i += 29) {
        assertEquals(broker.append(manyDrafts.slice(i, i + 1)), manyRepeats.slice(i, i + 1));
      }
    };
    withBroker(options, (broker) => {
      storeMany(broker);
      assertRecognized(broker);
      for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
    });
    // Twice, since the first run completes the last chunk.
    for (const file of [path, path, killed, killed]) {
      withBroker({ ...options, path: file }, (broker) => {
        assertRecognized(broker);
        while (broker.prune());
        assertRecognized(broker);
        broker.append(Array.from({ length: 4 }, () => draft(crypto.randomUUID())));
      });
    }
  }));

Deno.test("SqliteBroker.append() recognizes old nonces if stops completed the chunks [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const drafts = manyDrafts.slice(0, 400);
    for (let start = 0; start < drafts.length; start += 4) {
      withBroker(options, (broker) => broker.append(drafts.slice(start, start + 4)));
    }
    withBroker(options, (broker) => assertEquals(broker.append(drafts), manyRepeats.slice(0, 400)));
  }));

Deno.test("SqliteBroker.append() recognizes old nonces after a kill between two generations [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    withBroker(options, (broker) => {
      for (let count = 1; count <= 200; count++) {
        broker.append(manyDrafts.slice(count - 1, count));
        while (broker.prune());
        // The second generation has 96 nonces, and is complete after these.
        if (count < 190) continue;
        const killed = `${path}.${count}`;
        for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
        withBroker({ ...options, path: killed }, (broker) => {
          assertEquals(broker.append(manyDrafts.slice(0, count)), manyRepeats.slice(0, count));
        });
      }
    });
  }));

Deno.test("SqliteBroker continues with damaged pages in its index of old nonces", async () => {
  for (const [table, isLossless] of [["nonce_filters", true], ["nonce_pages", false]] as const) {
    await withFile((path) => {
      const wall = { ms: Date.UTC(2026, 0, 1) };
      const reports: string[] = [];
      const report = (event: string) => void reports.push(event);
      const options = { ...optionsFor(path, wall), recentNonces: 3, report };
      withBroker(options, storeMany);
      damage(path, table);
      withBroker(options, (broker) => {
        // Transactions that find damage fail.
        const isUsed = (_: unknown, i: number) => isLossless || i % 20 === 0;
        const drafts = manyDrafts.filter(isUsed);
        let [results, tries] = [broker.append(drafts), 1];
        while (results[0]?.kind === "unavailable" && tries++ < 30) results = broker.append(drafts);
        assertEquals(results.slice(-10), manyRepeats.filter(isUsed).slice(-10));
        assertEquals(results.every(({ kind }) => kind === "repeat"), isLossless);
        for (const { kind } of results) assert(kind === "repeat" || kind === "stored", kind);
        wall.ms += 8 * 86_400_000;
        try {
          broker.prune();
        } catch {
          // It has touched the damaged page.
        }
        while (broker.prune());
        assertEquals(broker.append([draft("after")])[0]?.kind, "stored");
      });
      assertEquals(reports.filter((event) => event === "nonces_damaged").length, 1);
    });
  }
});

/** Overwrites the first page of a table that stores rows. */
function damage(path: string, table: string): void {
  using database = new DatabaseSync(path);
  const isFirst = "name = ? AND pagetype <> 'internal' ORDER BY path LIMIT 1";
  const row = database.prepare(`SELECT pgoffset FROM dbstat WHERE ${isFirst}`).get(table);
  database.close();
  using file = Deno.openSync(path, { write: true });
  file.seekSync(Number(row?.pgoffset), Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(4_096).fill(0xa5));
}

Deno.test("SqliteBroker.prune() forgets nonces after 7 days, and returns whether more are left [M3]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  withBroker({ ...optionsFor(":memory:", wall), recentNonces: 3 }, (broker) => {
    storeMany(broker);
    wall.ms += 7 * 86_400_000;
    while (broker.prune());
    assertEquals(broker.append([draft("m0")]), [{ kind: "repeat", offset: 1 }]);
    wall.ms += 1;
    assert(broker.prune());
    while (broker.prune());
    assertEquals(broker.append([draft("m0")]), [{ kind: "stored", offset: 601 }]);
  });
});

Deno.test("Nonces.hash() depends on a secret of the database, so that nobody can choose hashes", () =>
  withFile((path) => {
    const hashIn = (name: string) => {
      const file = new DatabaseFile(path + name, "normal", 0);
      const nonces = new Nonces({ report: () => {} });
      nonces.load(file);
      file.close();
      return nonces.hash(1, "ada", "n1");
    };
    const hash = hashIn("a");
    assertEquals(hashIn("a"), hash);
    for (const name of ["b", "c"]) {
      const other = hashIn(name);
      assert(other.high !== hash.high || other.low !== hash.low);
    }
  }));

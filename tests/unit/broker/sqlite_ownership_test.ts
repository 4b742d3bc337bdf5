// SqliteBroker when its file or its lock is taken away.

import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { all, broken, optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";

/** Runs a test with a broker on a file in its own folder, and the events it reports. */
async function withDataFolder(
  use: (folder: {
    broker: SqliteBroker;
    path: string;
    dir: string;
    reported: string[];
    texts(): string[];
  }) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = join(root, "data");
  const path = join(dir, "parley.db");
  Deno.mkdirSync(dir);
  const reported: string[] = [];
  const report = (event: string) => reported.push(event);
  const broker = new SqliteBroker({ ...optionsFor(path), report });
  const texts = () => broker.read("lobby", all).entries.map(({ text = "" }) => text);
  try {
    broker.append([draft("a"), draft("b")]);
    await use({ broker, path, dir, reported, texts });
  } finally {
    broker.close();
    await Deno.remove(root, { recursive: true });
  }
}

const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("SqliteBroker.saveIfMoved() does nothing while the file is at its path", () =>
  withDataFolder(async ({ broker, reported, dir }) => {
    assertEquals(await broker.saveIfMoved(), undefined);
    assertEquals(reported, []);
    assertEquals(namesIn(dir), ["parley.db", "parley.db-shm", "parley.db-wal"]);
  }));

/** Ways for a running server to lose its files, and the files that remain afterwards. */
const losses: Readonly<
  Record<string, readonly [(path: string, dir: string) => void, readonly string[]]>
> = {
  "a removed folder": [(_, dir) => Deno.removeSync(dir, { recursive: true }), []],
  "a moved folder": [(_, dir) => Deno.renameSync(dir, `${dir}.moved`), []],
  "a removed database": [(path) => Deno.removeSync(path), []],
  "a moved database": [(path) => Deno.renameSync(path, `${path}.moved`), ["parley.db.moved"]],
  "a removed journal": [(path) => Deno.removeSync(`${path}-wal`), ["parley.db"]],
  "a removed journal index": [(path) => Deno.removeSync(`${path}-shm`), ["parley.db"]],
  "a replaced database": [(path) => {
    withBroker(optionsFor(`${path}.other`), (other) => other.append([draft("x")]));
    Deno.renameSync(`${path}.other`, path);
  }, ["parley.db"]],
};

for (const [loss, [lose, left]] of Object.entries(losses)) {
  Deno.test(`SqliteBroker.saveIfMoved() stops storing and saves a copy after ${loss} [M5]`, () =>
    withDataFolder(async ({ broker, path, dir }) => {
      lose(path, dir);
      broker.append([draft("c")]);
      const sentence = await broker.saveIfMoved() ?? "";
      const copy = namesIn(dir).find((name) => name.startsWith("parley.db.saved-")) ?? "";
      assertEquals(namesIn(dir), [...left, copy].sort());
      assertStringIncludes(sentence, `${path} was moved, removed or replaced`);
      assertStringIncludes(sentence, join(dir, copy));
      assertEquals(broker.append([draft("d")]), [{ kind: "unavailable" }]);
      assertThrows(() => broker.claim("zoe", "Zoe"));
      assertEquals(broker.isWritable(), false);
      broker.close();
      withBroker(optionsFor(join(dir, copy)), (saved) => {
        assertEquals(saved.read("lobby", all).entries.map(({ text = "" }) => text), [
          "a",
          "b",
          "c",
        ]);
      });
    }));
}

Deno.test("SqliteBroker.saveIfMoved() leaves a moved database complete", () =>
  withDataFolder(async ({ broker, path }) => {
    Deno.renameSync(path, `${path}.moved`);
    await broker.saveIfMoved();
    withBroker(optionsFor(`${path}.moved`), (moved) => {
      assertEquals(moved.read("lobby", all).head.offset, 2);
    });
  }));

Deno.test("SqliteBroker.close() leaves the database that replaced it untouched", () =>
  withDataFolder(async ({ broker, path, dir }) => {
    losses["a replaced database"]?.[0](path, dir);
    await broker.saveIfMoved();
    withBroker(optionsFor(path), (next) => {
      assertEquals(next.read("lobby", all).entries.map(({ text = "" }) => text), ["x"]);
      broker.close();
      assert(namesIn(dir).includes("parley.db-wal"));
    });
  }));

Deno.test("SqliteBroker.saveIfMoved() says why it cannot save a copy", () =>
  withDataFolder(async ({ broker, dir, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    Deno.writeTextFileSync(dir, "in the way");
    assertMatch(await broker.saveIfMoved() ?? "", /saving its messages in .* failed: /);
    assertEquals(broker.append([draft("c")]), [{ kind: "unavailable" }]);
    assertEquals(texts(), ["a", "b"]);
  }));

Deno.test("SqliteBroker.append() keeps a moved file open, as it holds the only copy", () =>
  withDataFolder(async ({ broker, dir, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    for (let i = 0; i < 4; i++) {
      assertEquals(broker.append([{ ...broken, nonce: "n-new" }]), [{ kind: "unavailable" }]);
    }
    assertEquals(texts(), ["a", "b"]);
    assertStringIncludes(await broker.saveIfMoved() ?? "", "its messages are in");
  }));

/** Returns a lock that a test can lose. */
function testLock() {
  let lossReason: string | undefined;
  return {
    get lossReason() {
      return lossReason;
    },
    lose: () => lossReason = "another process took it",
    check() {
      if (lossReason !== undefined) throw new Error(lossReason);
    },
  };
}

Deno.test("SqliteBroker commits nothing once its lock is lost, and leaves the files to the new owner", () =>
  withFile((path) => {
    const lock = testLock();
    const dir = dirname(path);
    const broker = new SqliteBroker({ ...optionsFor(path), lock });
    broker.append([draft("a")]);
    lock.lose();
    for (let i = 0; i < 4; i++) {
      assertEquals(broker.append([draft("b")]), [{ kind: "unavailable" }]);
    }
    assertThrows(() => broker.claim("zoe", "Zoe"), Error, "another process took it");
    assertThrows(() => broker.prune());
    assertEquals(broker.isWritable(), false);
    broker.close();
    assertEquals(namesIn(dir), ["parley.db", "parley.db-shm", "parley.db-wal"]);
    withBroker(optionsFor(path), (next) => {
      assertEquals(next.read("lobby", all).entries.map(({ text = "" }) => text), ["a"]);
    });
  }));

Deno.test("SqliteBroker.append() stores nothing while the lock cannot be checked [M9]", () => {
  let isReadable = false;
  const check = () => {
    if (!isReadable) throw new Error("the disk fails");
  };
  withBroker({ ...optionsFor(":memory:"), lock: { lossReason: undefined, check } }, (broker) => {
    assertEquals(broker.append([draft("a")]), [{ kind: "unavailable" }]);
    isReadable = true;
    assertEquals(broker.append([draft("a")]), [{ kind: "stored", offset: 1 }]);
  });
});

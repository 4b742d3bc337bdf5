import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { dirname, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteBrokerOptions } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import { defaults, draft, testBroker } from "./broker_contract.ts";
import type { BrokerSettings, Wall } from "./broker_contract.ts";

let epochs = 0;

function optionsFor(
  path: string,
  wall: Wall = { ms: Date.UTC(2026, 0, 1) },
  settings: Partial<BrokerSettings> = {},
): SqliteBrokerOptions {
  return {
    path,
    durability: "normal",
    now: () => wall.ms,
    randomName: () => `epoch${++epochs}`,
    report: () => {},
    ...defaults,
    ...settings,
  };
}

testBroker(
  "SqliteBroker (memory)",
  (settings, wall) => SqliteBroker.open(optionsFor(":memory:", wall, settings)),
);

async function withFile(use: (path: string) => void | Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await use(join(dir, "parley.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function using<T>(options: SqliteBrokerOptions, use: (broker: SqliteBroker) => T): T {
  const broker = SqliteBroker.open(options);
  try {
    return use(broker);
  } finally {
    broker.close();
  }
}

const forward = { limit: 1_000, maxBytes: 1e6 };
const all = { before: Infinity, limit: 1_000, maxBytes: 1e6 };

Deno.test("SqliteBroker.open() finds all messages again, in a new epoch [R1]", () =>
  withFile((path) => {
    const options = optionsFor(path);
    const before = using(options, (broker) => {
      broker.append([draft("a"), draft("b")]);
      return broker.read("lobby", all);
    });
    using(options, (broker) => {
      assertEquals(broker.read("lobby", all).entries, before.entries);
      assertEquals(broker.append([draft("a")]), [{ kind: "repeat", offset: 1 }]);
      assertEquals(broker.append([draft("c")]), [{ kind: "stored", offset: 3 }]);
      const { entries } = broker.read("lobby", { ...forward, after: before.head });
      assertEquals(entries.map(({ text }) => text), ["c"]);
      assert(entries[0]?.epoch !== before.head.epoch);
    });
  }));

Deno.test("SqliteBroker.open() invalidates positions after a restored backup [R3]", () =>
  withFile((path) => {
    const options = optionsFor(path);
    using(options, (broker) => broker.append([draft("a")]));
    Deno.copyFileSync(path, `${path}.backup`);
    const lost = using(options, (broker) => {
      broker.append([draft("b"), draft("c")]);
      return broker.read("lobby", all).head;
    });
    Deno.renameSync(`${path}.backup`, path);
    using(options, (broker) => {
      assertEquals(broker.read("lobby", { ...forward, after: lost }).valid, false);
      broker.append([draft("d"), draft("e"), draft("f")]);
      assertEquals(broker.read("lobby", { ...forward, after: lost }).valid, false);
    });
  }));

Deno.test("SqliteBroker.read() distrusts pruned positions of an epoch without messages [R3] [R11]", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 2 });
    const older = using(options, (broker) => {
      broker.append([draft("a"), draft("b"), draft("c")]);
      return broker.read("lobby", all).head.epoch;
    });
    using(options, (broker) => {
      broker.append([draft("d"), draft("e"), draft("f")]);
      const { head: { epoch } } = broker.read("lobby", all);
      broker.prune();
      const isValid = (epoch: string, offset: number) =>
        broker.read("lobby", { ...forward, after: { epoch, offset } }).valid;
      // Another log may have had other messages at 3 and 4, which the older epoch no longer shows.
      assertEquals(isValid(older, 3), false);
      assertEquals(isValid(older, 4), false);
      assertEquals(isValid(epoch, 4), true);
      assertEquals(isValid(older, 0), true);
    });
  }));

Deno.test("SqliteBroker.open() holds the names of members who were present when the server died [N8]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = optionsFor(path, wall);
    using(options, (broker) => {
      broker.claim("ada", "Ada");
      broker.claim("ben", "Ben");
      broker.append([draft("a")]);
    });
    wall.ms += 40 * 86_400_000;
    using(options, (broker) => {
      assertEquals(broker.claim("zoe", "Ada"), undefined);
      assertEquals(broker.claim("zoe", "Ben"), undefined);
      wall.ms += 60_001;
      assertEquals(broker.claim("zoe", "Ada"), undefined);
      assertEquals(broker.claim("zoe", "Ben"), "Ben");
      assertEquals(broker.claim("ada", "x"), "Ada");
    });
  }));

Deno.test("SqliteBroker tolerates a clock set back an hour, also across a restart [M6] [M3] [N8]", () =>
  withFile((path) => {
    const start = Date.UTC(2026, 0, 1);
    const wall = { ms: start };
    const options = optionsFor(path, wall, { retentionDays: 1 });
    const times = (broker: SqliteBroker) => broker.read("lobby", all).entries.map(({ at }) => at);
    using(options, (broker) => {
      broker.claim("ada", "Ada");
      broker.append([draft("a")]);
      wall.ms -= 3_600_000;
      assertEquals(broker.append([draft("a"), draft("b")]).map(({ kind }) => kind), [
        "repeat",
        "stored",
      ]);
      broker.prune();
      assertEquals(times(broker), [start, start]);
      assertEquals(broker.claim("zoe", "Ada"), undefined);
    });
    using(options, (broker) => {
      broker.append([draft("c")]);
      wall.ms = start + 1_000;
      broker.append([draft("d")]);
      assertEquals(times(broker), [start, start, start, start + 1_000]);
      assertEquals(broker.claim("ada", "x"), "Ada");
    });
  }));

Deno.test("SqliteBroker.open() says why a file is unusable", () =>
  withFile((path) => {
    Deno.writeTextFileSync(
      path,
      "this is a text, not a database\n".repeat(50),
    );
    const error = assertThrows(() => SqliteBroker.open(optionsFor(path)), Error);
    assertStringIncludes(error.message, `Cannot open ${path}: `);
    assertThrows(
      () => SqliteBroker.open(optionsFor(join(path, "nowhere", "x.db"))),
      Error,
      "Cannot open",
    );
  }));

Deno.test("SqliteBroker.open() refuses a file made by a newer version", () =>
  withFile((path) => {
    using(optionsFor(path), () => {});
    change(path, "PRAGMA user_version = 1000");
    assertThrows(
      () => SqliteBroker.open(optionsFor(path)),
      Error,
      "made by a newer version of Parley",
    );
  }));

Deno.test("SqliteBroker.open() reports a damaged file and closes it", () =>
  withFile((path) => {
    using(optionsFor(path), (broker) => broker.append([draft("a")]));
    const bytes = Deno.readFileSync(path);
    // The first page, with the schema, stays whole.
    Deno.writeFileSync(path, bytes.slice().fill(0xa5, 4_096));
    assertThrows(() => SqliteBroker.open(optionsFor(path)), Error, `Cannot open ${path}: `);
    Deno.writeFileSync(path, bytes);
    using(optionsFor(path), (broker) => assertEquals(broker.read("lobby", all).head.offset, 1));
  }));

Deno.test("SqliteBroker.isWritable() tells whether the disk is full", () =>
  withFile(async (path) => {
    const module = import.meta.resolve("../../../app/broker/sqlite/sqlite_broker.ts");
    const options = JSON.stringify({ path, durability: "normal", ...defaults });
    const program = `
      import { SqliteBroker } from "${module}";
      const limit = (size) => new Deno.Command("prlimit", {
        args: ["--pid", String(Deno.pid), "--fsize=" + size + ":unlimited"],
      }).outputSync();
      const broker = SqliteBroker.open({
        ...${options}, now: Date.now, randomName: () => "epoch", report: () => {},
      });
      const draft = { room: "lobby", member: "ada", from: "Ada", text: "a", nonce: "n" };
      const results = [broker.isWritable()];
      limit(4096);
      for (let i = 0; i < 4; i++) {
        results.push(broker.append([draft])[0].kind, broker.isWritable());
      }
      limit("unlimited");
      results.push(broker.isWritable(), broker.append([draft])[0].kind);
      console.log(results.join(" "));
      broker.close();
    `;
    const run = `trap '' XFSZ; exec "$0" eval -q "$1"`;
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", run, Deno.execPath(), program],
    }).output();
    const full = "unavailable false ".repeat(4);
    assertEquals(new TextDecoder().decode(stdout).trim(), `true ${full}true stored`);
  }));

Deno.test("SqliteBroker.isWritable() leaves the log unchanged", () =>
  using(optionsFor(":memory:"), (broker) => {
    broker.append([draft("a")]);
    const before = broker.read("lobby", all);
    assert(broker.isWritable());
    assertEquals(broker.read("lobby", all), before);
  }));

Deno.test("SqliteBroker.prune() prunes long logs in bounded steps and returns whether more is left [R11]", () =>
  using(optionsFor(":memory:", undefined, { retentionMessages: 10 }), (broker) => {
    const firsts: number[] = [];
    broker.subscribe({ entries: () => {}, pruned: (_, first) => firsts.push(first) });
    broker.append(Array.from({ length: 1_250 }, (_, i) => draft(`m${i}`)));
    const hasMore = [broker.prune(), broker.prune(), broker.prune(), broker.prune()];
    assertEquals(firsts, [501, 1_001, 1_241]);
    assertEquals(hasMore, [true, true, false, false]);
    assertEquals(broker.read("lobby", all).entries.length, 10);
  }));

Deno.test("SqliteBroker.prune() visits every room [R11]", () =>
  using(optionsFor(":memory:", undefined, { retentionMessages: 1 }), (broker) => {
    const pruned = new Set<string>();
    broker.subscribe({ entries: () => {}, pruned: (room) => pruned.add(room) });
    for (const text of ["a", "b"]) {
      broker.append(Array.from({ length: 1_100 }, (_, i) => draft(text, { room: `r${i}` })));
    }
    while (broker.prune());
    assertEquals(pruned.size, 1_100);
  }));

Deno.test("SqliteBroker.append() recognizes every nonce after a stop and after a kill [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const killed = `${path}.killed`;
    const drafts = [..."abcdefgh"].map((text) => draft(text));
    const otherRoom = draft("other", { room: "design" });
    using(options, (broker) => {
      broker.append([otherRoom]);
      for (const one of drafts) broker.append([one]);
      for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
    });
    for (const file of [path, killed]) {
      using({ ...options, path: file }, (broker) => {
        const results = broker.append([...drafts, otherRoom]);
        assertEquals(results.map((result) => Object.values(result)), [
          ...drafts.map((_, i) => ["repeat", i + 1]),
          ["repeat", 1],
        ]);
      });
    }
  }));

Deno.test("SqliteBroker.append() recognizes a nonce only once its transaction is committed [M3]", () =>
  using({ ...optionsFor(":memory:"), recentNonces: 2 }, (broker) => {
    broker.append([draft("a"), draft("b"), draft("a")]);
    // This transaction would have moved the first two into their table.
    broker.append([draft("c"), { ...broken, nonce: "n-broken" }]);
    const results = broker.append([draft("a"), draft("c"), draft("b"), draft("c")]);
    assertEquals(results.map(({ kind }) => kind), ["repeat", "stored", "repeat", "repeat"]);
    assertEquals(broker.append([draft("c")]), [{ kind: "repeat", offset: 3 }]);
  }));

Deno.test("SqliteBroker.prune() returns whether more nonces are left [M3]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  using(optionsFor(":memory:", wall), (broker) => {
    broker.append(Array.from({ length: 750 }, (_, i) => draft(`m${i}`)));
    wall.ms += 8 * 86_400_000;
    assertEquals([broker.prune(), broker.prune()], [true, false]);
    assertEquals(broker.append([draft("m749")]), [{ kind: "stored", offset: 751 }]);
  });
});

/** A broker on a file in a folder of its own, and the events it reports. */
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
  const broker = SqliteBroker.open({ ...optionsFor(path), report });
  const texts = () => broker.read("lobby", all).entries.map(({ text }) => text);
  try {
    broker.append([draft("a"), draft("b")]);
    await use({ broker, path, dir, reported, texts });
  } finally {
    broker.close();
    await Deno.remove(root, { recursive: true });
  }
}

const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("SqliteBroker.saveIfMoved() leaves a file at its path alone", () =>
  withDataFolder(async ({ broker, reported, dir }) => {
    assertEquals(await broker.saveIfMoved(), undefined);
    assertEquals(reported, []);
    assertEquals(namesIn(dir), ["parley.db", "parley.db-shm", "parley.db-wal"]);
  }));

/** What can happen to the files of a running server, and the files that are there afterwards. */
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
    using(optionsFor(`${path}.other`), (other) => other.append([draft("x")]));
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
      using(optionsFor(join(dir, copy)), (saved) => {
        assertEquals(saved.read("lobby", all).entries.map(({ text }) => text), ["a", "b", "c"]);
      });
    }));
}

Deno.test("SqliteBroker.saveIfMoved() leaves a moved database complete", () =>
  withDataFolder(async ({ broker, path }) => {
    Deno.renameSync(path, `${path}.moved`);
    await broker.saveIfMoved();
    using(optionsFor(`${path}.moved`), (moved) => {
      assertEquals(moved.read("lobby", all).head.offset, 2);
    });
  }));

Deno.test("SqliteBroker.close() touches nothing of the database that replaced its own", () =>
  withDataFolder(async ({ broker, path, dir }) => {
    losses["a replaced database"]?.[0](path, dir);
    await broker.saveIfMoved();
    using(optionsFor(path), (next) => {
      assertEquals(next.read("lobby", all).entries.map(({ text }) => text), ["x"]);
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

Deno.test("SqliteBroker.append() keeps a file open that only it has", () =>
  withDataFolder(async ({ broker, dir, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    for (let i = 0; i < 4; i++) {
      assertEquals(broker.append([{ ...broken, nonce: "n-new" }]), [{ kind: "unavailable" }]);
    }
    assertEquals(texts(), ["a", "b"]);
    assertStringIncludes(await broker.saveIfMoved() ?? "", "its messages are in");
  }));

/** A lock that is lost when a test says so. */
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
    const broker = SqliteBroker.open({ ...optionsFor(path), lock });
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
    using(optionsFor(path), (next) => {
      assertEquals(next.read("lobby", all).entries.map(({ text }) => text), ["a"]);
    });
  }));

Deno.test("SqliteBroker.append() stores nothing while the lock cannot be checked [M9]", () => {
  let isReadable = false;
  const check = () => {
    if (!isReadable) throw new Error("the disk fails");
  };
  using({ ...optionsFor(":memory:"), lock: { lossReason: undefined, check } }, (broker) => {
    assertEquals(broker.append([draft("a")]), [{ kind: "unavailable" }]);
    isReadable = true;
    assertEquals(broker.append([draft("a")]), [{ kind: "stored", offset: 1 }]);
  });
});

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

const child = import.meta.resolve("../../support/sqlite_child.ts");

function start(path: string, mode: string, shell = ""): Deno.ChildProcess {
  const run = `${shell} exec "$0" run -q --no-prompt -A "$1" "$2" "$3"`;
  return new Deno.Command("bash", {
    args: ["-c", run, Deno.execPath(), child, path, mode],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
}

async function* linesOf(process: Deno.ChildProcess): AsyncGenerator<string> {
  let rest = "";
  for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

Deno.test("SqliteBroker.append() loses no stored message when the process is killed [M5]", () =>
  withFile(async (path) => {
    const process = start(path, "flood");
    let acknowledged = 0;
    for await (const line of linesOf(process)) {
      acknowledged = Number(line);
      if (acknowledged === 300) process.kill("SIGKILL");
    }
    await process.stdin.close();
    await process.status;
    using(optionsFor(path), (broker) => {
      const stored = broker.read("lobby", { ...all, limit: 100_000, maxBytes: 1e9 }).entries;
      assert(stored.length >= acknowledged);
      assertEquals(stored.map(({ offset }) => offset), stored.map((_, i) => i + 1));
    });
  }));

Deno.test("SqliteBroker.append() refuses messages while the disk is full and recovers [M9]", () =>
  withFile(async (path) => {
    // No file may grow beyond 400 KiB. The signal of the limit is ignored, so that writes fail.
    const process = start(path, "full", "trap '' XFSZ; ulimit -S -f 400;");
    const writer = process.stdin.getWriter();
    const reported: string[] = [];
    for await (const line of linesOf(process)) {
      reported.push(line);
      if (line !== "full") continue;
      await new Deno.Command("prlimit", {
        args: ["--pid", String(process.pid), "--fsize=unlimited:unlimited"],
      }).output();
      await writer.write(new TextEncoder().encode("\n"));
      await writer.close();
    }
    await process.status;
    assertEquals(reported, [
      "storage_failed",
      "full",
      "readable true",
      "storage_recovered",
      "stored",
      "dense true",
    ]);
  }));

/** SQLite cannot bind this text, so the whole transaction fails. */
const broken = { ...draft("b"), text: Symbol("no text") as unknown as string };

Deno.test("SqliteBroker.append() reports dense offsets after a failure [M4]", () => {
  const entries: Entry[] = [];
  using(optionsFor(":memory:"), (broker) => {
    broker.subscribe({ entries: (some) => entries.push(...some), pruned: () => {} });
    broker.append([draft("a")]);
    assertEquals(broker.append([draft("c"), broken]), [
      { kind: "unavailable" },
      { kind: "unavailable" },
    ]);
    assertEquals(broker.append([draft("c")]), [{ kind: "stored", offset: 2 }]);
  });
  assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a1", "c2"]);
});

/** Runs `meanwhile` after two failures in a row, while the broker has its file closed. */
function whileClosed(
  path: string,
  report: (event: string) => void,
  meanwhile: () => void,
): readonly Entry[] {
  const entries: Entry[] = [];
  using({ ...optionsFor(path), report }, (broker) => {
    broker.subscribe({ entries: (some) => entries.push(...some), pruned: () => {} });
    broker.append([draft("a")]);
    broker.append([draft("c")]);
    broker.append([broken]);
    broker.append([broken]);
    meanwhile();
    broker.append([draft("d")]);
  });
  return entries;
}

Deno.test("SqliteBroker.append() reopens a file that failed twice, in the same epoch [M4]", () =>
  withFile((path) => {
    const reported: string[] = [];
    const entries = whileClosed(path, (event) => reported.push(event), () => {});
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a1", "c2", "d3"]);
    assertEquals(new Set(entries.map(({ epoch }) => epoch)).size, 1);
    assertEquals(reported, ["storage_failed", "storage_recovered"]);
  }));

Deno.test("SqliteBroker.append() reports entries of a commit that only seemed to fail [M4]", () =>
  withFile((path) => {
    const entries = whileClosed(path, () => {}, () =>
      change(
        path,
        `INSERT INTO messages SELECT room, 3, epoch, at, member, username, 'late', 'n-late'
           FROM messages WHERE offset = 2;
         UPDATE rooms SET head = 3;
         INSERT INTO rooms (name, first, head, at) VALUES ('new', 1, 1, 1);
         INSERT INTO messages SELECT 2, 1, epoch, at, member, username, 'first', 'n-first'
           FROM messages WHERE offset = 2;`,
      ));
    assertEquals(entries.map(({ room, text, offset }) => `${room} ${text}${offset}`), [
      "lobby a1",
      "lobby c2",
      "lobby late3",
      "new first1",
      "lobby d4",
    ]);
  }));

Deno.test("SqliteBroker.append() starts an epoch if the file was replaced while closed [R1]", () =>
  withFile((path) => {
    using(optionsFor(path), (broker) => broker.append([draft("x")]));
    const older = `${path}.older`;
    Deno.copyFileSync(path, older);
    const entries = whileClosed(path, () => {}, () => Deno.renameSync(older, path));
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a2", "c3", "d2"]);
    assert(entries[2]?.epoch !== entries[1]?.epoch);
  }));

Deno.test("SqliteBroker.append() starts an epoch if a message is gone from the file [R1]", () =>
  withFile((path) => {
    const entries = whileClosed(
      path,
      () => {},
      () =>
        change(
          path,
          "DELETE FROM messages WHERE offset = 2; UPDATE rooms SET head = 1; DELETE FROM nonces",
        ),
    );
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a1", "c2", "d2"]);
    assert(entries[2]?.epoch !== entries[1]?.epoch);
  }));

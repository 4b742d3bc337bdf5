import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteBrokerOptions } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import { defaults, draft, testBroker } from "./broker_contract.ts";
import type { BrokerSettings, Wall } from "./broker_contract.ts";

let terms = 0;

function optionsFor(
  path: string,
  wall: Wall = { ms: Date.UTC(2026, 0, 1) },
  settings: Partial<BrokerSettings> = {},
): SqliteBrokerOptions {
  return {
    path,
    durability: "normal",
    now: () => wall.ms,
    randomName: () => `term${++terms}`,
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

Deno.test("SqliteBroker.open() finds everything again, in a new term [R1]", () =>
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

Deno.test("SqliteBroker.open() finds a position behind a restored backup not valid [R3]", () =>
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

Deno.test("SqliteBroker.read() trusts no pruned position of a term without messages [R3] [R11]", () =>
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
      // Another log may have had something else at 3 and at 4; nobody can tell of the older term any more.
      assertEquals(isValid(older, 3), false);
      assertEquals(isValid(older, 4), false);
      assertEquals(isValid(epoch, 4), true);
      assertEquals(isValid(older, 0), true);
    });
  }));

Deno.test("SqliteBroker.open() holds the names of members that were here when the server died [N8]", () =>
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

Deno.test("SqliteBroker goes on when the clock is set back an hour, also after a restart [M6] [M3] [N8]", () =>
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

Deno.test("SqliteBroker.open() refuses a file that another server is using", () =>
  withFile((path) => {
    const options = optionsFor(path);
    using(options, () => {
      const error = assertThrows(() => SqliteBroker.open(options), Error);
      assertStringIncludes(error.message, "another server or program is using it");
    });
    using(options, (broker) => assert(broker.writable()));
  }));

Deno.test("SqliteBroker.open() says why a file is of no use", () =>
  withFile((path) => {
    Deno.writeTextFileSync(
      path,
      "this is no database, but a text that somebody put there\n".repeat(50),
    );
    const error = assertThrows(() => SqliteBroker.open(optionsFor(path)), Error);
    assertStringIncludes(error.message, `Cannot open ${path}: `);
    assertThrows(
      () => SqliteBroker.open(optionsFor(join(path, "nowhere", "x.db"))),
      Error,
      "Cannot open",
    );
  }));

Deno.test("SqliteBroker.open() refuses the file of a newer version", () =>
  withFile((path) => {
    using(optionsFor(path), () => {});
    change(path, "PRAGMA user_version = 1000");
    assertThrows(() => SqliteBroker.open(optionsFor(path)), Error, "a newer Parley has made it");
  }));

Deno.test("SqliteBroker.open() says that a file is damaged, and lets go of it", () =>
  withFile((path) => {
    using(optionsFor(path), (broker) => broker.append([draft("a")]));
    const bytes = Deno.readFileSync(path);
    // The first page, with the schema, stays whole.
    Deno.writeFileSync(path, bytes.slice().fill(0xa5, 4_096));
    assertThrows(() => SqliteBroker.open(optionsFor(path)), Error, `Cannot open ${path}: `);
    Deno.writeFileSync(path, bytes);
    using(optionsFor(path), (broker) => assertEquals(broker.read("lobby", all).head.offset, 1));
  }));

Deno.test("SqliteBroker.writable() says that the disk is full, and that it is not any more", () =>
  withFile(async (path) => {
    const module = import.meta.resolve("../../../app/broker/sqlite/sqlite_broker.ts");
    const options = JSON.stringify({ path, durability: "normal", ...defaults });
    const program = `
      import { SqliteBroker } from "${module}";
      const limit = (size) => new Deno.Command("prlimit", {
        args: ["--pid", String(Deno.pid), "--fsize=" + size + ":unlimited"],
      }).outputSync();
      const broker = SqliteBroker.open({
        ...${options}, now: Date.now, randomName: () => "term", report: () => {},
      });
      const draft = { room: "lobby", member: "ada", from: "Ada", text: "a", nonce: "n" };
      const said = [broker.writable()];
      limit(4096);
      for (let i = 0; i < 4; i++) {
        said.push(broker.append([draft])[0].kind, broker.writable());
      }
      limit("unlimited");
      said.push(broker.writable(), broker.append([draft])[0].kind);
      console.log(said.join(" "));
      broker.close();
    `;
    const run = `trap '' XFSZ; exec "$0" eval -q "$1"`;
    const { stdout } = await new Deno.Command("bash", {
      args: ["-c", run, Deno.execPath(), program],
    }).output();
    const full = "unavailable false ".repeat(4);
    assertEquals(new TextDecoder().decode(stdout).trim(), `true ${full}true stored`);
  }));

Deno.test("SqliteBroker.writable() changes nothing", () =>
  using(optionsFor(":memory:"), (broker) => {
    broker.append([draft("a")]);
    const before = broker.read("lobby", all);
    assert(broker.writable());
    assertEquals(broker.read("lobby", all), before);
  }));

Deno.test("SqliteBroker.prune() takes long logs in bounded steps, and says when there is more [R11]", () =>
  using(optionsFor(":memory:", undefined, { retentionMessages: 10 }), (broker) => {
    const heard: number[] = [];
    broker.subscribe({ entries: () => {}, pruned: (_, first) => heard.push(first) });
    broker.append(Array.from({ length: 1_250 }, (_, i) => draft(`m${i}`)));
    const said = [broker.prune(), broker.prune(), broker.prune(), broker.prune()];
    assertEquals(heard, [501, 1_001, 1_241]);
    assertEquals(said, [true, true, false, false]);
    assertEquals(broker.read("lobby", all).entries.length, 10);
  }));

Deno.test("SqliteBroker.prune() gets round to every room [R11]", () =>
  using(optionsFor(":memory:", undefined, { retentionMessages: 1 }), (broker) => {
    const pruned = new Set<string>();
    broker.subscribe({ entries: () => {}, pruned: (room) => pruned.add(room) });
    for (const text of ["a", "b"]) {
      broker.append(Array.from({ length: 1_100 }, (_, i) => draft(text, { room: `r${i}` })));
    }
    while (broker.prune());
    assertEquals(pruned.size, 1_100);
  }));

Deno.test("SqliteBroker.append() knows every nonce, in memory or not, after a stop and after a kill [M3]", () =>
  withFile((path) => {
    const options = { ...optionsFor(path), recentNonces: 3 };
    const killed = `${path}.killed`;
    const said = [..."abcdefgh"].map((text) => draft(text));
    const elsewhere = draft("elsewhere", { room: "design" });
    using(options, (broker) => {
      broker.append([elsewhere]);
      for (const one of said) broker.append([one]);
      for (const part of ["", "-wal"]) Deno.copyFileSync(path + part, killed + part);
    });
    for (const file of [path, killed]) {
      using({ ...options, path: file }, (broker) => {
        const results = broker.append([...said, elsewhere]);
        assertEquals(results.map((result) => Object.values(result)), [
          ...said.map((_, i) => ["repeat", i + 1]),
          ["repeat", 1],
        ]);
      });
    }
  }));

Deno.test("SqliteBroker.append() knows a nonce once its transaction is done, and not before [M3]", () =>
  using({ ...optionsFor(":memory:"), recentNonces: 2 }, (broker) => {
    broker.append([draft("a"), draft("b"), draft("a")]);
    // This one would have put the first two into their table.
    broker.append([draft("c"), { ...broken, nonce: "n-broken" }]);
    const results = broker.append([draft("a"), draft("c"), draft("b"), draft("c")]);
    assertEquals(results.map(({ kind }) => kind), ["repeat", "stored", "repeat", "repeat"]);
    assertEquals(broker.append([draft("c")]), [{ kind: "repeat", offset: 3 }]);
  }));

Deno.test("SqliteBroker.prune() says that there are more nonces than it removed [M3]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  using(optionsFor(":memory:", wall), (broker) => {
    broker.append(Array.from({ length: 750 }, (_, i) => draft(`m${i}`)));
    wall.ms += 8 * 86_400_000;
    assertEquals([broker.prune(), broker.prune()], [true, false]);
    assertEquals(broker.append([draft("m749")]), [{ kind: "stored", offset: 751 }]);
  });
});

/** A broker on a file, with what it reports and tells its listener. */
async function withWatched(
  use: (bench: {
    broker: SqliteBroker;
    path: string;
    dir: string;
    said: string[];
    entries: Entry[];
    texts(): string[];
  }) => Promise<void>,
): Promise<void> {
  const root = await Deno.makeTempDir();
  const dir = join(root, "data");
  const path = join(dir, "parley.db");
  Deno.mkdirSync(dir);
  const said: string[] = [];
  const entries: Entry[] = [];
  const report = (event: string) => said.push(event);
  const broker = SqliteBroker.open({ ...optionsFor(path), report });
  broker.subscribe({ entries: (some) => entries.push(...some), pruned: () => {} });
  const texts = () => broker.read("lobby", all).entries.map(({ text }) => text);
  try {
    broker.append([draft("a"), draft("b")]);
    await use({ broker, path, dir, said, entries, texts });
  } finally {
    broker.close();
    await Deno.remove(root, { recursive: true });
  }
}

const stored = (offset: number) => [{ kind: "stored" as const, offset }];
const namesIn = (dir: string) => [...Deno.readDirSync(dir)].map(({ name }) => name).sort();

Deno.test("SqliteBroker.look() finds nothing wrong with a file in its place", () =>
  withWatched(async ({ broker, said, dir }) => {
    assertEquals(await broker.look(), undefined);
    assertEquals(said, []);
    assertEquals(namesIn(dir), ["parley.db", "parley.db-wal"]);
  }));

Deno.test("SqliteBroker.look() puts back a folder that was removed, in a new term [R1]", () =>
  withWatched(async ({ broker, path, dir, said, entries, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    broker.append([draft("c")]);
    assertEquals(await broker.look(), undefined);
    assertEquals(said, ["storage_lost", "storage_restored"]);
    assertEquals(texts(), ["a", "b", "c"]);
    assertEquals(broker.append([draft("b")]), [{ kind: "repeat", offset: 2 }]);
    assertEquals(broker.append([draft("d")]), stored(4));
    assert(entries[3]?.epoch !== entries[2]?.epoch);
    assertEquals(await broker.look(), undefined);
    assertEquals(said.length, 2);
    broker.close();
    using(optionsFor(path), (next) => assertEquals(next.read("lobby", all).head.offset, 4));
  }));

Deno.test("SqliteBroker.look() puts back a file that was removed beside its journal", () =>
  withWatched(async ({ broker, path, dir, texts }) => {
    Deno.removeSync(path);
    await broker.look();
    broker.append([draft("c")]);
    assertEquals(texts(), ["a", "b", "c"]);
    assertEquals(namesIn(dir), ["parley.db", "parley.db-wal"]);
    assertEquals(await broker.look(), undefined);
  }));

Deno.test("SqliteBroker.look() puts back a file that was moved away, and leaves that one whole", () =>
  withWatched(async ({ broker, path, dir, texts }) => {
    Deno.renameSync(path, join(dir, "moved.db"));
    await broker.look();
    assertEquals(broker.append([draft("c")]), stored(3));
    assertEquals(texts(), ["a", "b", "c"]);
    using(
      optionsFor(join(dir, "moved.db")),
      (moved) => assertEquals(moved.read("lobby", all).head.offset, 2),
    );
  }));

Deno.test("SqliteBroker.look() makes a journal anew that was removed", () =>
  withWatched(async ({ broker, path, said }) => {
    Deno.removeSync(`${path}-wal`);
    assertEquals(await broker.look(), undefined);
    assertEquals(said, ["storage_log_lost"]);
    broker.append([draft("c")]);
    const [copy, log] = [`${path}.as-it-is`, `${path}.as-it-is-wal`];
    Deno.copyFileSync(path, copy);
    Deno.copyFileSync(`${path}-wal`, log);
    using(optionsFor(copy), (next) => assertEquals(next.read("lobby", all).head.offset, 3));
    assertEquals(await broker.look(), undefined);
    assertEquals(said.length, 1);
  }));

Deno.test("SqliteBroker.look() saves a copy beside a file that took the place of its own, and has the server end", () =>
  withWatched(async ({ broker, path, dir, said }) => {
    using(optionsFor(`${path}.other`), (other) => other.append([draft("x")]));
    Deno.renameSync(`${path}.other`, path);
    const sentence = await broker.look();
    assertStringIncludes(sentence ?? "", `Another file took the place of ${path}`);
    assertEquals(await broker.look(), sentence);
    assertEquals(said, ["storage_lost"]);
    const copy = namesIn(dir).find((name) => name.startsWith("parley.db.saved-")) ?? "";
    assertStringIncludes(sentence ?? "", copy);
    assertEquals(namesIn(dir), ["parley.db", copy]);
    assertEquals(broker.append([draft("c")]), [{ kind: "unavailable" }]);
    assertThrows(() => broker.claim("zoe", "Zoe"));
    assertEquals(broker.writable(), false);
    using(optionsFor(path), (next) => {
      assertEquals(next.read("lobby", all).entries.map(({ text }) => text), ["x"]);
      // The journal is that of the server which has the file now.
      broker.close();
      assert(namesIn(dir).includes("parley.db-wal"));
    });
    using(
      optionsFor(join(dir, copy)),
      (saved) => assertEquals(saved.read("lobby", all).head.offset, 2),
    );
  }));

Deno.test("SqliteBroker.look() stores nothing while the file cannot be put back, tries again, and says at the end what is lost", () =>
  withWatched(async ({ broker, dir, said, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    Deno.writeTextFileSync(dir, "in the way");
    for (let i = 0; i < 10; i++) assertEquals(await broker.look(), undefined);
    assertEquals(said, ["storage_lost", "storage_not_saved"]);
    assertEquals(broker.append([draft("c")]), [{ kind: "unavailable" }]);
    assertEquals(broker.writable(), false);
    assertEquals(texts(), ["a", "b"]);
    assertStringIncludes(await broker.look(true) ?? "", "is lost");
    Deno.removeSync(dir);
    for (let i = 0; i < 11; i++) await broker.look();
    assertEquals(said.at(-1), "storage_restored");
    assertEquals(broker.append([draft("c")]), stored(3));
  }));

Deno.test("SqliteBroker.look() goes on when the file is brought back", () =>
  withWatched(async ({ broker, dir, said, entries }) => {
    Deno.renameSync(dir, `${dir}.away`);
    Deno.writeTextFileSync(dir, "in the way");
    await broker.look();
    Deno.removeSync(dir);
    Deno.renameSync(`${dir}.away`, dir);
    await broker.look();
    assertEquals(said.at(-1), "storage_found");
    assertEquals(broker.append([draft("c")]), stored(3));
    assertEquals(entries[2]?.epoch, entries[0]?.epoch);
  }));

Deno.test("SqliteBroker.append() never lets go of a file that only it has", () =>
  withWatched(async ({ broker, dir, texts }) => {
    Deno.removeSync(dir, { recursive: true });
    const unheardOf = { ...broken, nonce: "n-new" };
    for (let i = 0; i < 4; i++) {
      assertEquals(broker.append([unheardOf]), [{ kind: "unavailable" }]);
    }
    await broker.look();
    assertEquals(texts(), ["a", "b"]);
    assertEquals(broker.append([draft("c")]), stored(3));
  }));

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

Deno.test("SqliteBroker.append() loses nothing that it answered when the process is killed [M5]", () =>
  withFile(async (path) => {
    const process = start(path, "flood");
    let answered = 0;
    for await (const line of linesOf(process)) {
      answered = Number(line);
      if (answered === 300) process.kill("SIGKILL");
    }
    await process.stdin.close();
    await process.status;
    using(optionsFor(path), (broker) => {
      const stored = broker.read("lobby", { ...all, limit: 100_000, maxBytes: 1e9 }).entries;
      assert(stored.length >= answered);
      assertEquals(stored.map(({ offset }) => offset), stored.map((_, i) => i + 1));
    });
  }));

Deno.test("SqliteBroker.append() survives a disk that is full, and goes on when it is not [M9]", () =>
  withFile(async (path) => {
    // No file may grow over 400 KiB; the signal that would say so is ignored.
    const process = start(path, "full", "trap '' XFSZ; ulimit -S -f 400;");
    const writer = process.stdin.getWriter();
    const said: string[] = [];
    for await (const line of linesOf(process)) {
      said.push(line);
      if (line !== "full") continue;
      await new Deno.Command("prlimit", {
        args: ["--pid", String(process.pid), "--fsize=unlimited:unlimited"],
      }).output();
      await writer.write(new TextEncoder().encode("\n"));
      await writer.close();
    }
    await process.status;
    assertEquals(said, [
      "storage_failed",
      "full",
      "readable true",
      "storage_recovered",
      "stored",
      "dense true",
    ]);
  }));

/** What SQLite cannot bind makes the whole transaction fail. */
const broken = { ...draft("b"), text: Symbol("no text") as unknown as string };

Deno.test("SqliteBroker.append() gives the listener dense offsets after a failure [M4]", () => {
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

/** Runs `meanwhile` after two failures in a row, when the broker has given up the file and not yet opened it again. */
function whileGivenUp(
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

Deno.test("SqliteBroker.append() opens a file that fails twice anew, in the same term, and says each once [M4]", () =>
  withFile((path) => {
    const said: string[] = [];
    const entries = whileGivenUp(path, (event) => said.push(event), () => {});
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a1", "c2", "d3"]);
    assertEquals(new Set(entries.map(({ epoch }) => epoch)).size, 1);
    assertEquals(said, ["storage_failed", "storage_recovered"]);
  }));

Deno.test("SqliteBroker.append() tells of a commit that seemed to fail and did not [M4]", () =>
  withFile((path) => {
    const entries = whileGivenUp(path, () => {}, () =>
      change(
        path,
        `INSERT INTO messages SELECT room, 3, term, at, member, username, 'late', 'n-late'
           FROM messages WHERE offset = 2;
         UPDATE rooms SET head = 3;
         INSERT INTO rooms (name, first, head, at) VALUES ('new', 1, 1, 1);
         INSERT INTO messages SELECT 2, 1, term, at, member, username, 'first', 'n-first'
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

Deno.test("SqliteBroker.append() begins a new term in a file that was put in the place of its own [R1]", () =>
  withFile((path) => {
    using(optionsFor(path), (broker) => broker.append([draft("x")]));
    const older = `${path}.older`;
    Deno.copyFileSync(path, older);
    const entries = whileGivenUp(path, () => {}, () => Deno.renameSync(older, path));
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a2", "c3", "d2"]);
    assert(entries[2]?.epoch !== entries[1]?.epoch);
  }));

Deno.test("SqliteBroker.append() begins a new term when a message of this term is gone from the file [R1]", () =>
  withFile((path) => {
    const entries = whileGivenUp(
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

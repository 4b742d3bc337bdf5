import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { SqliteBroker } from "../../app/broker/sqlite_broker.ts";
import type { SqliteBrokerOptions } from "../../app/broker/sqlite_broker.ts";
import type { Entry } from "../../app/broker/broker.ts";
import { defaults, draft, testBroker } from "./contract.ts";
import type { BrokerSettings, Wall } from "./contract.ts";

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

Deno.test("SqliteBroker.open() refuses a file that another server is using", () =>
  withFile((path) => {
    const options = optionsFor(path);
    using(options, () => {
      const error = assertThrows(() => SqliteBroker.open(options), Error);
      assertStringIncludes(error.message, "another server is using it");
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
    const module = import.meta.resolve("../../app/broker/sqlite_broker.ts");
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

Deno.test("SqliteBroker.prune() takes long logs in bounded steps [R11]", () =>
  using(optionsFor(":memory:", undefined, { retentionMessages: 10 }), (broker) => {
    const heard: number[] = [];
    broker.subscribe({ entries: () => {}, pruned: (_, first) => heard.push(first) });
    broker.append(Array.from({ length: 12_000 }, (_, i) => draft(`m${i}`)));
    for (let i = 0; i < 4; i++) broker.prune();
    assertEquals(heard, [5_001, 10_001, 11_991]);
    assertEquals(broker.read("lobby", all).entries.length, 10);
  }));

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

const child = import.meta.resolve("./sqlite_child.ts");

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

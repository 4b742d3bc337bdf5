// SqliteBroker: the broker contract, restarts, clocks and pruning.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import { all, change, optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { defaults, draft, testBroker } from "./broker_contract.ts";
import type { Open } from "./broker_contract.ts";
import { edit, testEntries } from "./entries_contract.ts";

const open: Open = (settings, wall) => new SqliteBroker(optionsFor(":memory:", wall, settings));
testBroker("SqliteBroker (memory)", open);
testEntries("SqliteBroker (memory)", open);
const forward = { limit: 1_000, maxBytes: 1e6 };

Deno.test("SqliteBroker() keeps all messages, and starts a new epoch [R1]", () =>
  withFile((path) => {
    const options = optionsFor(path);
    const before = withBroker(options, (broker) => {
      broker.append([draft("a"), draft("b")]);
      return broker.read("lobby", all);
    });
    withBroker(options, (broker) => {
      assertEquals(broker.read("lobby", all).entries, before.entries);
      assertEquals(broker.append([draft("a")]), [{ kind: "repeat", offset: 1 }]);
      assertEquals(broker.append([draft("c")]), [{ kind: "stored", offset: 3 }]);
      const { entries } = broker.read("lobby", { ...forward, after: before.head });
      assertEquals(entries.map(({ text }) => text), ["c"]);
      assert(entries[0]?.epoch !== before.head.epoch);
    });
  }));

Deno.test("SqliteBroker.append() evicts no room while the clock is not trusted [L11]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  let isTrusted = true;
  const options = {
    ...optionsFor(":memory:", wall, { maxRooms: 1 }),
    isClockTrusted: () => isTrusted,
  };
  withBroker(options, (broker) => {
    broker.append([draft("a", { room: "one" })]);
    const open = () => broker.append([draft("b", { room: "two" })]);
    isTrusted = false;
    wall.ms += 365 * 86_400_000;
    assertEquals(open(), [{ kind: "rooms_full" }]);
    isTrusted = true;
    wall.ms += 1_000;
    assertEquals(open(), [{ kind: "stored", offset: 1 }]);
  });
});

Deno.test("SqliteBroker() reports that an existing file was empty, and creates a chat in it", () =>
  withFile((path) => {
    const reported: string[] = [];
    const options = { ...optionsFor(path), report: (event: string) => reported.push(event) };
    withBroker(options, (broker) => broker.append([draft("a")]));
    withBroker(options, (broker) => assertEquals(broker.read("lobby", all).entries.length, 1));
    assertEquals(reported, []);
    Deno.truncateSync(path);
    withBroker(options, (broker) => broker.append([draft("a")]));
    assertEquals(reported, ["database_empty"]);
  }));

Deno.test("SqliteBroker() invalidates positions after a restored backup [R3]", () =>
  withFile((path) => {
    const options = optionsFor(path);
    withBroker(options, (broker) => broker.append([draft("a")]));
    Deno.copyFileSync(path, `${path}.backup`);
    const lost = withBroker(options, (broker) => {
      broker.append([draft("b"), draft("c")]);
      return broker.read("lobby", all).head;
    });
    Deno.renameSync(`${path}.backup`, path);
    withBroker(options, (broker) => {
      assertEquals(broker.read("lobby", { ...forward, after: lost }).valid, false);
      broker.append([draft("d"), draft("e"), draft("f")]);
      assertEquals(broker.read("lobby", { ...forward, after: lost }).valid, false);
    });
  }));

Deno.test("SqliteBroker.read() distrusts pruned positions of an epoch without messages [R3] [R11]", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 2 });
    const older = withBroker(options, (broker) => {
      broker.append([draft("a"), draft("b"), draft("c")]);
      return broker.read("lobby", all).head.epoch;
    });
    withBroker(options, (broker) => {
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

Deno.test("SqliteBroker() holds the names of members who were present when the server died [N8]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = optionsFor(path, wall);
    withBroker(options, (broker) => {
      broker.claim("ada", "Ada");
      broker.claim("ben", "Ben");
      broker.append([draft("a")]);
    });
    wall.ms += 40 * 86_400_000;
    withBroker(options, (broker) => {
      assertEquals(broker.claim("zoe", "Ada"), undefined);
      assertEquals(broker.claim("zoe", "Ben"), undefined);
      wall.ms += 60_001;
      assertEquals(broker.claim("zoe", "Ada"), undefined);
      assertEquals(broker.claim("zoe", "Ben"), "Ben");
      assertEquals(broker.claim("ada", "x"), "Ada");
    });
  }));

Deno.test("SqliteBroker.batch() gives a freed name to the first that claims it [N4] [N8]", () =>
  withBroker(optionsFor(":memory:"), (broker) => {
    broker.claim("ada", "Ada");
    const claims: unknown[] = [];
    broker.batch(() => {
      broker.release("ada", true);
      claims.push(broker.claim("ben", "Ada"), broker.claim("ada", "Ada"));
    });
    assertEquals(claims, ["Ada", undefined]);
  }));

Deno.test("SqliteBroker tolerates a clock set back an hour, even across a restart [M6] [M3] [N8]", () =>
  withFile((path) => {
    const start = Date.UTC(2026, 0, 1);
    const wall = { ms: start };
    const options = optionsFor(path, wall, { retentionDays: 1 });
    const times = (broker: SqliteBroker) => broker.read("lobby", all).entries.map(({ at }) => at);
    withBroker(options, (broker) => {
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
    withBroker(options, (broker) => {
      broker.append([draft("c")]);
      wall.ms = start + 1_000;
      broker.append([draft("d")]);
      assertEquals(times(broker), [start, start, start, start + 1_000]);
      assertEquals(broker.claim("ada", "x"), "Ada");
    });
  }));

Deno.test("SqliteBroker() says why a file is unusable", () =>
  withFile((path) => {
    Deno.writeTextFileSync(
      path,
      "this is a text, not a database\n".repeat(50),
    );
    const error = assertThrows(() => new SqliteBroker(optionsFor(path)), Error);
    assertStringIncludes(error.message, `Cannot open ${path}: `);
    assertThrows(
      () => new SqliteBroker(optionsFor(join(path, "nowhere", "x.db"))),
      Error,
      "Cannot open",
    );
  }));

Deno.test("SqliteBroker() refuses a file made by a newer version", () =>
  withFile((path) => {
    withBroker(optionsFor(path), () => {});
    change(path, "PRAGMA user_version = 1000");
    assertThrows(
      () => new SqliteBroker(optionsFor(path)),
      Error,
      "made by a newer version of Parley",
    );
  }));

Deno.test("SqliteBroker() reports a damaged file and closes it", () =>
  withFile((path) => {
    withBroker(optionsFor(path), (broker) => broker.append([draft("a")]));
    const bytes = Deno.readFileSync(path);
    // The first page, with the schema, stays whole.
    Deno.writeFileSync(path, bytes.slice().fill(0xa5, 4_096));
    assertThrows(() => new SqliteBroker(optionsFor(path)), Error, `Cannot open ${path}: `);
    Deno.writeFileSync(path, bytes);
    withBroker(
      optionsFor(path),
      (broker) => assertEquals(broker.read("lobby", all).head.offset, 1),
    );
  }));

Deno.test("SqliteBroker.isWritable() returns false while the disk is full", () =>
  withFile(async (path) => {
    const module = import.meta.resolve("../../../app/broker/sqlite/sqlite_broker.ts");
    const options = JSON.stringify({ path, durability: "normal", ...defaults });
    const program = `
      import { SqliteBroker } from "${module}";
      const limit = (size) => new Deno.Command("prlimit", {
        args: ["--pid", String(Deno.pid), "--fsize=" + size + ":unlimited"],
      }).outputSync();
      const broker = new SqliteBroker({
        ...${options}, now: Date.now, randomName: () => "epoch", report: () => {},
      });
      const author = { room: "lobby", member: "ada", from: "Ada" };
      const draft = { type: "message", ...author, text: "a", nonce: "n" };
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
  withBroker(optionsFor(":memory:"), (broker) => {
    broker.append([draft("a")]);
    const before = broker.read("lobby", all);
    assert(broker.isWritable());
    assertEquals(broker.read("lobby", all), before);
  }));

Deno.test("SqliteBroker.prune() prunes long logs in bounded steps and returns whether more is left [R11]", () =>
  withBroker(optionsFor(":memory:", undefined, { retentionMessages: 10 }), (broker) => {
    const firsts: number[] = [];
    broker.subscribe({ entries: () => {}, pruned: (_, first) => firsts.push(first) });
    broker.append(Array.from({ length: 1_250 }, (_, i) => draft(`m${i}`)));
    // The first steps move nonces, so that a restart finds them without their messages.
    for (let steps = 0; firsts.length < 2; steps++) assert(broker.prune() && steps < 5);
    assertEquals(firsts, [501, 1_001]);
    while (broker.prune());
    assertEquals(firsts, [501, 1_001, 1_241]);
    assert(!broker.prune());
    assertEquals(broker.read("lobby", all).entries.length, 10);
  }));

Deno.test("SqliteBroker.prune() visits every room [R11]", () =>
  withBroker(optionsFor(":memory:", undefined, { retentionMessages: 1 }), (broker) => {
    const pruned = new Set<string>();
    broker.subscribe({ entries: () => {}, pruned: (room) => pruned.add(room) });
    for (const text of ["a", "b"]) {
      broker.append(Array.from({ length: 1_100 }, (_, i) => draft(text, { room: `r${i}` })));
    }
    while (broker.prune());
    assertEquals(pruned.size, 1_100);
  }));

Deno.test("SqliteBroker.read() needs few queries to find the next message among thousands of edits [E8]", () =>
  withBroker(optionsFor(":memory:"), (broker) => {
    broker.append(Array.from({ length: 100 }, (_, i) => draft(`m${i}`)));
    broker.append(Array.from({ length: 2_000 }, (_, i) => edit(1 + i % 100, `e${i}`)));
    const { all } = DatabaseFile.prototype;
    let queries = 0;
    DatabaseFile.prototype.all = function (...query) {
      queries++;
      return all.apply(this, query);
    };
    try {
      const page = broker.read("lobby", { before: Infinity, limit: 1, maxBytes: 1e6 });
      assertEquals(page.entries.length, 2_001);
    } finally {
      DatabaseFile.prototype.all = all;
    }
    assert(queries < 30, `${queries} queries`);
  }));

Deno.test("SqliteBroker.claim() forgets the names whose hold is over [N7] [N8]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  withBroker(optionsFor(":memory:", wall), (broker) => {
    broker.claim("ada", "Ada");
    broker.release("ada");
    wall.ms += 2 * 86_400_000;
    assertEquals(broker.claim("ada", "Bea"), "Bea");
    assertEquals(broker.claim("ada", undefined), "Bea");
    assertEquals(broker.claim("eve", "Ada"), "Ada");
  });
});

Deno.test("SqliteBroker holds no name after a release if the hold is 0, but all for a minute after a restart [N8]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const options = optionsFor(path, wall, { nameHoldMs: 0 });
    withBroker(options, (broker) => {
      broker.claim("ben", "Ben");
      broker.release("ben");
      assertEquals(broker.claim("eve", "Ben"), "Ben");
      broker.claim("ada", "Ada");
      broker.append([draft("a")]);
    });
    withBroker(options, (broker) => {
      wall.ms += 59_999;
      assertEquals(broker.claim("cleo", "Ada"), undefined);
      wall.ms += 1;
      assertEquals(broker.claim("cleo", "Ada"), "Ada");
    });
  }));

Deno.test("SqliteBroker.read() accepts a pruned position if the oldest kept entry is of its epoch [R3]", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 2 });
    const epochs = ["a", "b"].map((nonce) =>
      withBroker(options, (broker) => {
        for (const i of [1, 2]) broker.append([draft(`${nonce}${i}`)]);
        return broker.read("lobby", all).head.epoch;
      })
    );
    withBroker(optionsFor(path, undefined, { retentionMessages: 3 }), (broker) => {
      while (broker.prune());
      const valid = epochs.map((epoch) =>
        broker.read("lobby", { after: { epoch, offset: 1 }, limit: 9, maxBytes: 1e6 }).valid
      );
      assertEquals(valid, [true, false]);
    });
  }));

// SqliteBroker when its process is killed or its disk fails.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { Entry } from "../../../app/chat/broker.ts";
import {
  all,
  broken,
  change,
  optionsFor,
  withBroker,
  withFile,
} from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";

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
    withBroker(optionsFor(path), (broker) => {
      const stored = broker.read("lobby", { ...all, limit: 100_000, maxBytes: 1e9 }).entries;
      assert(stored.length >= acknowledged);
      assertEquals(stored.map(({ offset }) => offset), stored.map((_, i) => i + 1));
    });
  }));

Deno.test("SqliteBroker.append() refuses messages while the disk is full and recovers [M9]", () =>
  withFile(async (path) => {
    // No file may grow beyond 400 KiB. Without the trap, the limit would kill the process.
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

Deno.test("SqliteBroker.append() reports dense offsets after a failure [M4]", () => {
  const entries: Entry[] = [];
  withBroker(optionsFor(":memory:"), (broker) => {
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

/**
 * Runs `meanwhile` after two failures in a row, while the broker has its file closed. Reports
 * failures, and `reset` if the broker resets its listener. Returns the delivered entries.
 */
function whileClosed(
  path: string,
  report: (event: string) => void,
  meanwhile: () => void,
): readonly Entry[] {
  const entries: Entry[] = [];
  withBroker({ ...optionsFor(path), report }, (broker) => {
    broker.subscribe({
      entries: (some) => entries.push(...some),
      pruned: () => {},
      reset: () => report("reset"),
    });
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

Deno.test("SqliteBroker.append() reports entries of a commit that succeeded despite an error [M4]", () =>
  withFile((path) => {
    const entries = whileClosed(path, () => {}, () =>
      change(
        path,
        `INSERT INTO entries (room, offset, epoch, at, member, username, text, nonce)
           SELECT room, 3, epoch, at, member, username, 'late', 'n-late'
           FROM entries WHERE offset = 2;
         UPDATE rooms SET head = 3;
         INSERT INTO rooms (name, first, head, at) VALUES ('new', 1, 1, 1);
         INSERT INTO entries (room, offset, epoch, at, member, username, text, nonce)
           SELECT 2, 1, epoch, at, member, username, 'first', 'n-first'
           FROM entries WHERE offset = 2;`,
      ));
    assertEquals(entries.map(({ room, text, offset }) => `${room} ${text}${offset}`), [
      "lobby a1",
      "lobby c2",
      "lobby late3",
      "new first1",
      "lobby d4",
    ]);
  }));

Deno.test("SqliteBroker.append() starts over if the file was replaced while closed [R1] [R5]", () =>
  withFile((path) => {
    const older = `${path}.older`;
    withBroker(optionsFor(path), (broker) => {
      broker.claim("eve", "Eve");
      broker.append([draft("x")]);
      change(path, `VACUUM INTO '${older}'`);
      broker.release("eve", true);
    });
    const reported: string[] = [];
    const report = (event: string) => reported.push(event);
    const entries = whileClosed(path, report, () => Deno.renameSync(older, path));
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a2", "c3", "d2"]);
    assert(entries[2]?.epoch !== entries[1]?.epoch);
    // So the hub closes all sessions: in their view, offset 2 has another message.
    assertEquals(reported, ["storage_failed", "storage_changed", "reset", "storage_recovered"]);
    using database = new DatabaseSync(path);
    assertEquals(
      database.prepare("SELECT count(*) AS count FROM names WHERE live = 1").get()?.count,
      0,
    );
  }));

Deno.test("SqliteBroker.append() starts a new epoch if a message is gone from the file [R1]", () =>
  withFile((path) => {
    const entries = whileClosed(
      path,
      () => {},
      () =>
        change(
          path,
          "DELETE FROM entries WHERE offset = 2; UPDATE rooms SET head = 1; DELETE FROM nonces",
        ),
    );
    assertEquals(entries.map(({ text, offset }) => `${text}${offset}`), ["a1", "c2", "d2"]);
    assert(entries[2]?.epoch !== entries[1]?.epoch);
  }));

for (const failing of ["INSERT ON epochs", "UPDATE ON names"]) {
  Deno.test(`SqliteBroker.append() starts over even if ${failing} fails at first [R5] [N8]`, () =>
    withFile((path) => {
      let resets = 0;
      withBroker(optionsFor(path), (broker) => {
        broker.subscribe({ entries: () => {}, pruned: () => {}, reset: () => resets++ });
        broker.claim("eve", "Eve");
        broker.append([draft("a"), draft("c")]);
        broker.append([broken]);
        broker.append([broken]);
        change(
          path,
          `DELETE FROM entries WHERE offset = 2; UPDATE rooms SET head = 1; DELETE FROM nonces;
         CREATE TRIGGER full BEFORE ${failing} BEGIN SELECT RAISE(ABORT, 'full'); END`,
        );
        assertEquals(broker.append([draft("d")]), [{ kind: "unavailable" }]);
        change(path, "DROP TRIGGER full");
        assertEquals(broker.append([draft("d")]), [{ kind: "stored", offset: 2 }]);
      });
      assertEquals(resets, 1);
      using database = new DatabaseSync(path);
      assertEquals(
        database.prepare("SELECT count(*) AS count FROM names WHERE live = 1").get()?.count,
        0,
      );
    }));
}

Deno.test("SqliteBroker.batch() changes no name if its transaction fails [N8] [M9]", () => {
  withBroker(optionsFor(":memory:"), (broker) => {
    broker.claim("ada", "Ada");
    assertThrows(() =>
      broker.batch(() => {
        broker.release("ada", true);
        assertEquals(broker.claim("ben", "Ada"), "Ada");
        assertEquals(broker.claim("cleo", "Cleo"), "Cleo");
        throw new Error("the commit fails");
      })
    );
    assertEquals(broker.holdsName("ben"), false);
    assertEquals(broker.claim("zoe", "Ada"), undefined);
    assertEquals(broker.claim("zoe", "Cleo"), "Cleo");
  });
});

Deno.test("SqliteBroker holds a writer's name for a day after each visit, even after a failed commit [N8]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  let isLost = false;
  const check = () => {
    if (isLost) throw new Error("the lock is lost");
  };
  const lock = { check, lossReason: undefined };
  withBroker({ ...optionsFor(":memory:", wall), lock }, (broker) => {
    for (const nonce of ["first", "second"]) {
      broker.claim("ada", "Ada");
      isLost = nonce === "first";
      broker.append([draft(nonce)]);
      isLost = false;
      broker.append([draft(nonce)]);
      broker.rename("ada", "Ida");
      broker.release("ada");
      wall.ms += 3_600_000;
      for (const name of ["Ada", "Ida"]) assertEquals(broker.claim("eve", name), undefined, nonce);
      wall.ms += 86_400_000;
    }
  });
});

Deno.test("SqliteBroker.append() stores nothing of a batch in which a later draft fails [M9]", () =>
  withBroker(optionsFor(":memory:"), (broker) => {
    const results = broker.append([draft("a"), { ...broken, reply: 1 }]);
    assertEquals(results.map(({ kind }) => kind), ["unavailable", "unavailable"]);
    assertEquals(broker.append([draft("b")]), [{ kind: "stored", offset: 1 }]);
    assertEquals(broker.read("lobby", all).entries.map(({ text }) => text), ["b"]);
  }));

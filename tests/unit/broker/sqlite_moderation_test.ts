// SqliteBroker: moderation, beyond the broker contract.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { DatabaseFile } from "../../../app/broker/sqlite/database.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteOptions } from "../../../app/broker/sqlite/options.ts";
import type { Moderator } from "../../../app/chat/broker.ts";
import { change, optionsFor, withFile } from "../../support/sqlite_harness.ts";
import type { Wall } from "./broker_contract.ts";
import { title } from "./entries_contract.ts";
import {
  ban,
  bannedIn,
  done,
  from,
  macOf,
  mona,
  sweepAll,
  testModeration,
  textsOf,
} from "./moderation_contract.ts";

testModeration(
  "SqliteBroker",
  (use) =>
    withFile((path) =>
      use((wall, moderatorMac) =>
        Promise.resolve(new SqliteBroker({ ...optionsFor(path, wall), moderatorMac }))
      )
    ),
);

/** Opens a broker whose moderator is Mona. */
function open(path: string, more: Partial<SqliteOptions> = {}, wall?: Wall): SqliteBroker {
  const broker = new SqliteBroker({
    ...optionsFor(path, wall),
    moderatorMac: macOf("code"),
    ...more,
  });
  broker.moderation.appoint("mona");
  return broker;
}

Deno.test("SqliteBroker.moderation imposes nothing if the commit fails [B8]", () => {
  let isLost = false;
  const check = () => {
    if (isLost) throw new Error("the lock is lost");
  };
  const broker = open(":memory:", { lock: { check, lossReason: undefined } });
  broker.moderation.moderate(ban("ada"), mona);
  isLost = true;
  const banned = bannedIn(broker);
  assertThrows(() => broker.moderation.moderate(ban("ben"), mona), Error, "the lock is lost");
  isLost = false;
  assertEquals(banned, []);
  const results = broker.append([from("ada", "a"), from("ben", "b")]);
  assertEquals(results.map(({ kind }) => kind), ["banned", "stored"]);
  broker.close();
});

Deno.test("SqliteBroker.moderation deletes messages for the operator however full the database is [B7]", async () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  const broker = open(":memory:", { maxDataBytes: 200_000 }, wall);
  for (let i = 0; i < 100; i++) {
    wall.ms += 1_001;
    broker.append([from("troll", "x".repeat(4_000), { nonce: `n${i}` })]);
  }
  assertEquals(broker.append([from("troll", "more")]), [{ kind: "storage_full" }]);
  const operator: Moderator = { member: "operator", username: "Operator", isOperator: true };
  broker.moderation.moderate({ type: "sweep", member: "troll", seconds: 3_600 }, operator);
  assert(await sweepAll(broker) > 10);
  assertEquals(new Set(await textsOf(broker)), new Set(["deleted by operator"]));
  broker.close();
});

Deno.test("SqliteBroker.moderation continues a sweep after the room it was in is removed [B7]", () =>
  withFile(async (path) => {
    const before = open(path);
    const drafts = Array.from({ length: 1_000 }, (_, i) => from("troll", `${i}`, { room: "big" }));
    before.append([...drafts, from("troll", "b", { room: "small" })]);
    done(await before.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    before.moderation.sweep();
    before.close();
    change(path, "DELETE FROM entries WHERE room = 1; DELETE FROM rooms WHERE id = 1");
    const after = open(path);
    await sweepAll(after);
    assertEquals(await textsOf(after, "small"), ["deleted by mona"]);
    after.close();
  }));

Deno.test("SqliteBroker.moderation sweeps a busy indexed room in few steps [B7]", async () => {
  const broker = open(":memory:", { search: true });
  broker.append(
    Array.from({ length: 2_000 }, (_, i) => from(i % 1_000 === 0 ? "troll" : "ben", `${i}`)),
  );
  while (broker.index());
  done(await broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
  let steps = 0;
  for (let hasMore = true; hasMore; steps++) ({ hasMore } = await broker.moderation.sweep());
  const texts = await textsOf(broker);
  assertEquals(texts.filter((text) => text === "deleted by mona").length, 2);
  assert(steps < 10, `${steps} steps`);
  broker.close();
});

Deno.test("SqliteBroker.moderation needs few queries to count the members of a network [B6]", async () => {
  const broker = open(":memory:");
  for (let i = 0; i < 300; i++) broker.claim(`m${i}`, `Name${i}`, "tab", "192.0.2.1");
  const { get, all } = DatabaseFile.prototype;
  let queries = 0;
  DatabaseFile.prototype.get = function (...query) {
    queries++;
    return get.apply(this, query);
  };
  DatabaseFile.prototype.all = function (...query) {
    queries++;
    return all.apply(this, query);
  };
  try {
    const result = await broker.moderation.moderate({ type: "neighbors", member: "m5" }, mona);
    assertEquals(done(result).others, 299);
  } finally {
    Object.assign(DatabaseFile.prototype, { get, all });
    broker.close();
  }
  assert(queries < 20, `${queries} queries`);
});

Deno.test("SqliteBroker reserves a banned member's name across a restart [B4] [B8]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const broker = open(path, {}, wall);
    broker.claim("ada", "Ada");
    broker.moderation.moderate(ban("ada", { seconds: 9e6 }), mona);
    broker.close();
    open(path, {}, wall).close();
    wall.ms += 30 * 86_400_000;
    const restarted = open(path, {}, wall);
    assertEquals(restarted.claim("eve", "Ada"), undefined);
    restarted.close();
  }));

Deno.test("SqliteBroker.prune() unlocks the title of a room that it empties [R11] [E5]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  const broker = open(":memory:", { retentionDays: 1 }, wall);
  broker.append([
    from("ada", "a"),
    title("Locked", { member: "mona", locked: true }),
  ]);
  wall.ms += 2 * 86_400_000;
  while (broker.prune());
  const results = broker.append([from("ada", "b"), title("Mine", { nonce: "t" })]);
  assertEquals(results.map(({ kind }) => kind), ["stored", "stored"]);
  broker.close();
});

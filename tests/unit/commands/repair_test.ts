// The `remove-room` and `repair-times` commands.

import { assertEquals, assertRejects } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { removeRoom, repairTimes } from "../../../app/commands/repair.ts";
import { databaseFolder, messageAt, storeMessage, textsOf } from "../../support/database_folder.ts";
import { optionsFor, withBroker } from "../../support/sqlite_harness.ts";
import { draft } from "../broker/broker_contract.ts";
import { edit } from "../broker/entries_contract.ts";

Deno.test("removeRoom() removes a room and its text from the files, and no other room", async () => {
  await using folder = await databaseFolder();
  const broker = folder.open();
  for (let i = 0; i < 500; i++) storeMessage(broker, `secret ${i} ${"x".repeat(100)}`, "old");
  storeMessage(broker, "kept");
  while (broker.index());
  broker.close();
  // Retention removes all but the newest message of the room.
  const options = optionsFor(folder.path, { ms: messageAt }, { retentionMessages: 1 });
  withBroker(options, (pruning) => {
    while (pruning.prune());
  });
  await removeRoom(folder.path, "old");
  for (const name of folder.names()) {
    const bytes = await Deno.readFile(`${folder.dir}/${name}`);
    assertEquals(new TextDecoder("latin1").decode(bytes).includes("secret"), false, name);
  }
  using database = new DatabaseSync(folder.path);
  assertEquals(database.prepare("SELECT count(*) AS count FROM nonces").get()?.count, 0);
  const again = folder.open();
  assertEquals(textsOf(again), ["kept"]);
  assertEquals(textsOf(again, "old"), []);
  storeMessage(again, "new", "old");
  again.close();
  await assertRejects(() => removeRoom(folder.path, "none"), Error, "it has no messages");
  for (const missing of [`${folder.dir}/none.db`, "/nowhere/parley.db"]) {
    const expected = `Cannot open ${missing}: it does not exist`;
    await assertRejects(() => removeRoom(missing, "old"), Error, expected);
  }
});

Deno.test("repairTimes() sets future times of messages, rooms and members to now", async () => {
  await using folder = await databaseFolder();
  const options = optionsFor(folder.path, { ms: messageAt }, { retentionMessages: 1 });
  withBroker(options, (broker) => {
    broker.claim("ada", "Ada", undefined, "192.0.2.0");
    broker.append([draft("pruned"), draft("from the future"), edit(2, "edited")]);
    while (broker.prune());
  });
  const now = messageAt - 10 * 365 * 86_400_000;
  assertEquals(await repairTimes(folder.path, now, 0), 2);
  assertEquals(await repairTimes(folder.path, now, 0), 0);
  using database = new DatabaseSync(folder.path);
  const times = ["entries.at", "entries.edited_at", "nonces.at", "rooms.at"];
  for (const time of [...times, "members.seen"]) {
    const [table] = time.split(".");
    const row = database.prepare(`SELECT max(${time}) AS latest FROM ${table}`).get();
    assertEquals(row?.latest, now, time);
  }
});

Deno.test("repairTimes() shortens the holds of names and the sanctions [N8] [B4]", async () => {
  await using folder = await databaseFolder();
  const [minuteMs, hourMs] = [60_000, 3_600_000];
  const wall = { ms: messageAt + 365 * 24 * hourMs };
  const options = {
    ...optionsFor(folder.path, wall, { nameHoldMs: hourMs }),
    moderatorMac: (id: string) => id,
  };
  const operator = { member: "o", username: "O", isOperator: true } as const;
  const ban = { type: "ban", deleteMessages: false, network: true } as const;
  withBroker(options, (broker) => {
    for (const [member, name] of [["ada", "Ada"], ["ben", "Ben"], ["eve", "Eve"]] as const) {
      broker.claim(member, name, undefined, `network of ${member}`);
      broker.append([draft(name, { member })]);
    }
    // Since he wrote before the ban, Ben may enter from Eve's network.
    wall.ms += minuteMs;
    broker.moderation.moderate({ ...ban, member: "eve", seconds: 7_200 }, operator);
    for (const member of ["ada", "ben", "eve"]) broker.release(member);
  });
  wall.ms = messageAt;
  await repairTimes(folder.path, wall.ms, hourMs);
  wall.ms += hourMs - minuteMs;
  withBroker(options, (broker) => {
    assertEquals(broker.claim("new", "Ada"), undefined);
    const kept = 7_200_000 - hourMs + minuteMs;
    assertEquals(broker.claim("eve", "Eve"), { kind: "banned", retryAfter: kept });
    assertEquals(broker.claim("ben", "Ben", undefined, "network of eve"), "Ben");
    wall.ms += minuteMs;
    assertEquals(broker.claim("new", "Ada"), "Ada");
    assertEquals(broker.claim("other", "Eve"), undefined);
    wall.ms += hourMs;
    assertEquals(broker.claim("other", "Eve"), "Eve");
  });
});

// Starts servers on folders and databases that they cannot use.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { refusal, textsAfterwards } from "../../support/server_bench.ts";
import { noModes, noOwners, test, underLimit, underModes } from "./fault_harness.ts";

test(
  "a data folder that cannot be written stops the server from starting, with the reason",
  noModes,
  async ({ dir, start }) => {
    Deno.mkdirSync(`${dir}/data`);
    Deno.chmodSync(`${dir}/data`, 0o555);
    const message = await refusal(start({ under: underModes }));
    assertStringIncludes(message, `Cannot open ${dir}/data/parley.lock: Permission denied`);
  },
);

test(
  "a folder owned by another user stops the server from starting, with both users and the remedy",
  noModes ?? noOwners,
  async ({ dir, start }) => {
    await (await start()).end();
    const data = `${dir}/data`;
    const logs = `${dir}/logs`;
    for (
      const [owned, folder] of [[`${data}/parley.db`, data], [data, data], [logs, logs]] as const
    ) {
      Deno.chmodSync(owned, 0o700);
      Deno.chownSync(owned, 12_345, null);
      const message = await refusal(start({ under: underModes }));
      assertStringIncludes(
        message,
        `${owned} belongs to user 12345, but this process runs as user 0; ` +
          `start it as user 12345, or run: chown -R 0 ${folder}`,
      );
      Deno.chownSync(owned, 0, null);
    }
  },
);

test(
  "a database of a newer version stops the server from starting, and is left alone",
  undefined,
  async (bench) => {
    await (await bench.start()).end();
    const file = new DatabaseSync(bench.database);
    file.exec("PRAGMA user_version = 1000");
    file.close();
    const before = Deno.readFileSync(bench.database);
    assertStringIncludes(await refusal(bench.start()), "made by a newer version of Parley");
    assertEquals(Deno.readFileSync(bench.database), before);
  },
);

test(
  "a database locked by another program stops the server from starting, or makes it refuse messages [M9]",
  undefined,
  async (bench) => {
    const { start, join, database } = bench;
    await (await start()).end();
    const file = new DatabaseSync(database);
    try {
      file.exec("BEGIN EXCLUSIVE");
      assertStringIncludes(await refusal(start()), "another program is using it");
    } finally {
      file.close();
    }
    const ada = await join(await start(), "Ada");
    assertEquals((await ada.sendMessage("one")).offset, 1);
    const other = new DatabaseSync(database);
    try {
      other.exec("BEGIN EXCLUSIVE");
      assertEquals((await ada.sendMessage("two")).error?.code, "storage_unavailable");
    } finally {
      other.close();
    }
    assertEquals((await ada.sendMessage("two")).offset, 2);
  },
);

test(
  "an overwritten database stops the server from starting, and a backup restores everything",
  undefined,
  async (bench) => {
    const { start, join, database } = bench;
    const server = await start();
    await (await join(server, "Ada")).sendMessage("one");
    await server.end();
    const backup = Deno.readFileSync(database);
    Deno.writeFileSync(database, backup.slice().fill(0xa5, 0, 4_096));
    assertStringIncludes(await refusal(start()), `Cannot open ${database}: file is not a database`);
    Deno.writeFileSync(database, backup);
    assertEquals(await textsAfterwards(bench), ["one"]);
  },
);

test(
  "damaged old messages fail where they are read, and the chat continues",
  undefined,
  async ({ start, join, database, log }) => {
    const first = await start();
    await (await join(first, "Ada")).sendUntilRefused(400);
    await first.end();
    const bytes = Deno.readFileSync(database);
    const at = new TextDecoder("latin1").decode(bytes).indexOf(`100 ${"x".repeat(20)}`);
    assert(at >= 0, "the message is not in the file");
    const page = Math.floor(at / 4_096) * 4_096;
    Deno.writeFileSync(database, bytes.fill(0xa5, page, page + 4_096));
    const server = await start();
    const ben = await join(server, "Ben");
    let before = ben.messages[0]?.offset ?? 0;
    let refused: string | undefined;
    while (refused === undefined) {
      const since = ben.pushes.length;
      ben.send({ type: "history", room: "lobby", before, limit: 20 });
      const push = await ben.waitFor(({ type }) => type === "history" || type === "error", since);
      if (push.type === "error") refused = push.code;
      if (push.type === "history") {
        before = push.first === before ? 0 : push.messages[0]?.offset ?? 0;
      }
      assert(before > 1, "no damaged message was read");
    }
    assertEquals(refused, "storage_unavailable");
    assertMatch(log("error.log"), /event=read_failed room=lobby .*malformed/);
    assertEquals((await ben.sendMessage("still works")).offset, 401);
  },
);

test(
  "a full disk stops the server from starting, with the reason, and nothing is lost",
  undefined,
  async (bench) => {
    const first = await bench.start();
    await (await bench.join(first, "Ada")).sendMessage("one");
    await first.end();
    const message = await refusal(bench.start({ under: underLimit(1) }));
    assertStringIncludes(message, `Cannot open ${bench.database}: `);
    assertEquals(await textsAfterwards(bench), ["one"]);
  },
);

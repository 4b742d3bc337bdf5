// The disk of the database fills up.

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { backUp } from "../../../app/commands/backup.ts";
import { exportLines, readRoom } from "../../../app/commands/export.ts";
import { writeLines } from "../../../app/commands/output_file.ts";
import { restore } from "../../../app/commands/restore.ts";
import type { ServerProcess } from "../../support/server_process.ts";
import type { SendResult } from "../../support/chat_client.ts";
import { namesIn } from "../../support/server_bench.ts";
import type { Bench } from "../../support/server_bench.ts";
import { limitFiles, noMount, noncesIn, test, underLimit, withDisk } from "./fault_harness.ts";

const codes = (results: readonly SendResult[]) =>
  new Set(results.flatMap(({ error }) => error === undefined ? [] : [error.code]));
const noncesOf = (results: readonly SendResult[]) =>
  results.filter(({ error }) => error === undefined).map(({ nonce }) => nonce);

/** Sends until the disk is full, frees space, and checks that clients, log and database agree. */
async function fillAndEmpty(
  { join, database, log }: Bench,
  server: ServerProcess,
  freeSpace: () => Promise<void>,
): Promise<void> {
  const ada = await join(server, "Ada");
  const ben = await join(server, "Ben");
  const results = await ada.sendUntilRefused(400);
  assertEquals(codes(results), new Set(["storage_unavailable"]));
  const sent = noncesOf(results);
  await ben.waitFor((push) => push.type === "message" && push.nonce === sent.at(-1));
  assertEquals(ben.messages.map(({ nonce }) => nonce), sent);
  await server.waitForLine(/event=storage_failed/);
  assertMatch(log("error.log"), /event=storage_failed/);
  // History can still be read.
  ben.send({ type: "history", room: "lobby", before: 5, limit: 10 });
  await ben.waitFor((push) => push.type === "history" && push.messages.length === 4);

  await freeSpace();
  for (const { nonce, error } of results) {
    if (error !== undefined) sent.push((await ada.sendMessage("again", nonce)).nonce);
  }
  // The recovery is no error.
  await server.waitForLine(/level=warn event=storage_recovered/);
  await server.end("SIGKILL");
  assertEquals(noncesIn(database), sent);
}

test(
  "a full disk refuses messages, shows none of them, and recovers [M9]",
  undefined,
  async (bench) => {
    const server = await bench.start({ under: underLimit(400) });
    await fillAndEmpty(bench, server, () => limitFiles(server));
  },
);

test("a full mounted disk does the same [M9]", noMount, async (bench) => {
  const data = `${bench.dir}/data`;
  await withDisk(data, 2_000, async () => {
    Deno.writeFileSync(`${data}/ballast`, new Uint8Array(1_000_000));
    const server = await bench.start();
    await fillAndEmpty(bench, server, () => Deno.remove(`${data}/ballast`));
  });
});

test(
  "a full disk fails a backup and an export, and leaves the earlier file",
  noMount,
  async ({ dir, database, start, join }) => {
    const server = await start();
    await (await join(server, "Ada")).sendUntilRefused(100);
    await server.end();
    const small = `${dir}/small`;
    await withDisk(small, 100, async () => {
      const file = `${small}/lobby.txt`;
      const before = "SQLite format 3\0";
      Deno.writeTextFileSync(file, before);
      const shortExport = () => writeLines(file, ReadableStream.from(["short\n"]));
      const full = /^Cannot write .*small.lobby\.txt\.unfinished-\w+: .*(No space|disk is full)/;
      for (
        const work of [
          () => writeLines(file, exportLines(readRoom(database, "lobby"), "text")),
          () => backUp(database, file),
        ]
      ) assertMatch((await assertRejects(work, Error)).message, full);
      Deno.writeFileSync(`${small}/ballast`, new Uint8Array(96 * 1024));
      assertMatch((await assertRejects(shortExport, Error)).message, full);
      assertEquals(namesIn(small), ["ballast", "lobby.txt"]);
      assertEquals(Deno.readTextFileSync(file), before);
    });
  },
);

test(
  "a disk too full for bans and deletions fails a restore, and keeps the database",
  noMount,
  async ({ dir, database, start }) => {
    await (await start()).end();
    const copyKib = Math.ceil(Deno.statSync(database).size / 1024);
    const carrying = "Cannot carry bans, mutes and deletions over from the previous database: ";
    const cases = [
      [20, `Cannot use ${database}: disk I/O error; the disk may be full or damaged`],
      [40, carrying],
      [52, carrying],
    ] as const;
    for (const [kib, message] of cases) {
      const small = `${dir}/${kib}`;
      await withDisk(small, 2 * copyKib + kib, async () => {
        const path = `${small}/parley.db`;
        Deno.copyFileSync(database, path);
        await assertRejects(() => restore(path, database, new Date()), Error, message);
        assertEquals(namesIn(small), ["parley.db"]);
      });
    }
  },
);

// The database of a running server is moved, removed or replaced.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { namesIn, textsAfterwards } from "../../support/server_bench.ts";
import { test } from "./fault_harness.ts";

/** Ways to lose the database of a running server, and the files they leave in its folder. */
const losses: readonly (readonly [string, (dir: string) => void, readonly string[]])[] = [
  ["is removed with its folder", (dir) => Deno.removeSync(dir, { recursive: true }), []],
  ["is moved away", (dir) => Deno.renameSync(`${dir}/parley.db`, `${dir}/moved.db`), ["moved.db"]],
  ["loses its journal", (dir) => Deno.removeSync(`${dir}/parley.db-wal`), ["parley.db"]],
];

for (const [loss, lose, left] of losses) {
  test(
    `a database that ${loss} is saved next to its path, and the server exits with the reason [M5]`,
    undefined,
    async (bench) => {
      const { dir, database, start, join, log } = bench;
      const data = `${dir}/data`;
      const server = await start();
      const ada = await join(server, "Ada");
      await ada.sendMessage("one");
      lose(data);
      // The server may already have noticed.
      const two = await ada.sendMessage("two").catch(() => undefined);
      assertEquals(await ada.closed, 1012);
      assertEquals(await server.ended(), 1);
      const copy = namesIn(data).find((name) => name.includes(".saved-")) ?? "";
      assertEquals(namesIn(data), [...left, copy].sort());
      const sentence = await server.waitForLine(/parley.db was moved, removed or replaced/);
      assertStringIncludes(sentence, `${data}/${copy}`);
      assertStringIncludes(log("error.log"), "event=storage_lost");
      Deno.renameSync(`${data}/${copy}`, database);
      const texts = two?.offset === undefined ? ["one"] : ["one", "two"];
      assertEquals(await textsAfterwards(bench), texts);
    },
  );
}

test(
  "a data folder removed just before a stop leaves a copy of the database",
  undefined,
  async (bench) => {
    const server = await bench.start();
    const ada = await bench.join(server, "Ada");
    await ada.sendMessage("one");
    Deno.removeSync(`${bench.dir}/data`, { recursive: true });
    assertEquals(await server.end(), 1);
    const [copy = ""] = namesIn(`${bench.dir}/data`);
    Deno.renameSync(`${bench.dir}/data/${copy}`, bench.database);
    assertEquals(await textsAfterwards(bench), ["one"]);
  },
);

test(
  "a data folder that cannot be recreated makes the server exit with the reason",
  undefined,
  async ({ dir, start, join }) => {
    const server = await start();
    await (await join(server, "Ada")).sendMessage("one");
    Deno.removeSync(`${dir}/data`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/data`, "in the way");
    assertEquals(await server.ended(), 1);
    await server.waitForLine(/parley.db was moved, removed or replaced .* failed: /);
  },
);

test(
  "a replaced database is saved next to the new one, and clients of the old log start over [R3]",
  undefined,
  async (bench) => {
    const { dir, database, start, join } = bench;
    const first = await start();
    await (await join(first, "Ada")).sendMessage("old");
    await first.end();
    Deno.copyFileSync(database, `${dir}/backup.db`);
    const server = await start();
    const ben = await join(server, "Ben");
    await ben.sendMessage("new");
    const epoch = ben.messages.at(-1)?.epoch ?? "";
    Deno.renameSync(`${dir}/backup.db`, database);
    assertEquals(await ben.closed, 1012);
    assertEquals(await server.ended(), 1);
    const [, copy = ""] = namesIn(`${dir}/data`);
    assertEquals(namesIn(`${dir}/data`), ["parley.db", copy]);
    const second = await start();
    const back = await join(second, "Ben", { token: ben.token, position: { epoch, offset: 2 } });
    assertEquals((await back.joined()).recovered, false);
    assertEquals(back.texts, ["old"]);
    await second.end();
    Deno.renameSync(`${dir}/data/${copy}`, database);
    assertEquals(await textsAfterwards(bench), ["old", "new"]);
  },
);

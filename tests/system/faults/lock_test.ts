// Several servers compete for one data folder.

import { assertEquals, assertMatch } from "@std/assert";
import { refusal, textsAfterwards } from "../../support/server_bench.ts";
import { test } from "./fault_harness.ts";

test(
  "a second server in a folder in use names the first and leaves it undisturbed",
  undefined,
  async ({ dir, start, join }) => {
    const server = await start();
    const ada = await join(server, "Ada");
    assertMatch(
      await refusal(start()),
      new RegExp(`${dir}/data/parley.lock: process ${server.process.pid} on host .* stop it first`),
    );
    assertEquals((await ada.sendMessage("here")).offset, 1);
  },
);

test("a server starts after kill -9", undefined, async (bench) => {
  const first = await bench.start();
  await (await bench.join(first, "Ada")).sendMessage("one");
  await first.end("SIGKILL");
  assertEquals(await textsAfterwards(bench), ["one"]);
});

test(
  "a server exits with the reason, and stores nothing more, once another host takes its folder [M5]",
  undefined,
  async (bench) => {
    const { dir, start, join } = bench;
    const server = await start();
    const ada = await join(server, "Ada");
    await ada.sendMessage("one");
    // On a network disk, the other host's write is visible, and every lock is granted.
    Deno.writeTextFileSync(`${dir}/data/parley.lock`, "beta 7 another-id 1\n");
    assertEquals(await ada.closed, 1012);
    assertEquals(await server.ended(), 1);
    await server.waitForLine(/^Lost the lock .*parley.lock: process 7 on host beta took it$/);
    assertEquals(
      Deno.readTextFileSync(`${dir}/data/parley.lock`),
      "beta 7 another-id 1\n",
    );
  },
);

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { namesIn, readiness, test, textsAfterwards } from "./fault_harness.ts";

test(
  "a data folder that is removed is put back within a second, and nobody notices [M5]",
  undefined,
  async (bench) => {
    const { dir, start, join, log } = bench;
    const server = await start();
    const ada = await join(server, "Ada");
    const ben = await join(server, "Ben");
    await ada.says("one");
    Deno.removeSync(`${dir}/data`, { recursive: true });
    await ada.says("two");
    await server.said(/event=storage_restored/);
    assertEquals((await ada.says("three")).offset, 3);
    await ben.hears((push) => push.type === "message" && push.text === "three");
    assertEquals(ben.texts, ["one", "two", "three"]);
    const [one, , three] = ben.messages;
    assert(three?.epoch !== undefined && three.epoch !== one?.epoch);
    assertMatch(log("error.log"), /event=storage_lost .*parley.db is gone/);
    assertEquals(await readiness(server), 200);
    await server.end("SIGKILL");
    assertEquals(await textsAfterwards(bench), ["one", "two", "three"]);
  },
);

test(
  "a data folder that is removed just before a stop is put back at the stop",
  undefined,
  async (bench) => {
    const server = await bench.start();
    const ada = await bench.join(server, "Ada");
    await ada.says("one");
    Deno.removeSync(`${bench.dir}/data`, { recursive: true });
    await ada.says("two");
    assertEquals(await server.end(), 0);
    assertEquals(await textsAfterwards(bench), ["one", "two"]);
  },
);

test(
  "a journal that is removed is made anew, and a kill takes nothing [M5]",
  undefined,
  async (bench) => {
    const server = await bench.start();
    const ada = await bench.join(server, "Ada");
    await ada.says("one");
    Deno.removeSync(`${bench.database}-wal`);
    await server.said(/event=storage_log_lost/);
    await ada.says("two");
    await server.end("SIGKILL");
    assertEquals(await textsAfterwards(bench), ["one", "two"]);
  },
);

test(
  "a data folder that cannot be put back has everything refused, and a stop says what is lost [M9]",
  undefined,
  async ({ dir, start, join }) => {
    const server = await start();
    const ada = await join(server, "Ada");
    await ada.says("one");
    Deno.removeSync(`${dir}/data`, { recursive: true });
    Deno.writeTextFileSync(`${dir}/data`, "in the way");
    await server.said(/event=storage_not_saved/);
    assertEquals((await ada.says("two")).error?.code, "storage_unavailable");
    assertEquals(ada.texts, ["one"]);
    await assertRejects(() => join(server, "Ben"), Error, "storage_unavailable");
    assertEquals(await readiness(server), 503);
    assertEquals(await server.end(), 1);
    await server.said(/^Cannot save .*what was in it is lost$/);
  },
);

test(
  "a database that another takes the place of is saved beside it, and the server ends with a sentence [R3]",
  undefined,
  async (bench) => {
    const { dir, database, start, join } = bench;
    const first = await start();
    await (await join(first, "Ada")).says("old");
    await first.end();
    Deno.copyFileSync(database, `${dir}/backup.db`);
    const server = await start();
    const ben = await join(server, "Ben");
    await ben.says("new");
    const epoch = ben.messages.at(-1)?.epoch ?? "";
    Deno.renameSync(`${dir}/backup.db`, database);
    assertEquals(await ben.closed, 1012);
    assertEquals(await server.ended(), 1);
    const [, copy = ""] = namesIn(`${dir}/data`);
    assertEquals(namesIn(`${dir}/data`), ["parley.db", copy]);
    const sentence = await server.said(/^Another file took the place of /);
    assertStringIncludes(sentence, `${dir}/data/${copy}`);
    const second = await start();
    const back = await join(second, "Ben", { token: ben.token, position: { epoch, offset: 2 } });
    assertEquals((await back.joined()).recovered, false);
    assertEquals(back.texts, ["old"]);
    await second.end();
    Deno.renameSync(`${dir}/data/${copy}`, database);
    assertEquals(await textsAfterwards(bench), ["old", "new"]);
  },
);

// What happens to people, messages and logs when something below the server fails: the real server as a process, and real
// WebSockets that speak SPEC.md. README.md says the same in a table ("When something below fails"). A clock that is set
// back can only be given to parts: tests/broker/sqlite_broker_test.ts and tests/core/logging_test.ts do.

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import {
  limitFiles,
  noModes,
  noMount,
  pause,
  refusal,
  underLimit,
  underModes,
  withBench,
  withDisk,
} from "./bench.ts";
import type { Answer, Bench, Talker } from "./bench.ts";
import type { ServerProcess } from "../server_process.ts";

/** A test that can run where `why` is undefined. */
function test(name: string, why: string | undefined, use: (bench: Bench) => Promise<void>): void {
  const shown = why === undefined ? name : `${name} (${why})`;
  Deno.test({ name: `Faults: ${shown}`, ignore: why !== undefined, fn: () => withBench(use) });
}

async function readiness(server: ServerProcess): Promise<number> {
  const response = await fetch(`${server.url}readyz`);
  await response.body?.cancel();
  return response.status;
}

/** What somebody new is told of the lobby by a server that is started on what there is. */
async function textsAfterwards({ start, join }: Bench): Promise<readonly string[]> {
  const server = await start();
  const { texts } = await join(server, "Zoe");
  await server.end();
  return texts;
}

/** The nonces of all messages of the lobby in a database that nobody uses; their offsets rise by one from 1. */
function noncesIn(database: string): readonly string[] {
  const file = new DatabaseSync(database);
  try {
    const rows = file.prepare("SELECT offset, nonce FROM messages ORDER BY offset").all();
    assertEquals(rows.map(({ offset }) => offset), rows.map((_, i) => i + 1));
    return rows.map(({ nonce }) => String(nonce));
  } finally {
    file.close();
  }
}

function namesIn(dir: string): readonly string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

const codes = (answers: readonly Answer[]) =>
  new Set(answers.flatMap(({ error }) => error === undefined ? [] : [error.code]));
const noncesOf = (answers: readonly Answer[]) =>
  answers.filter(({ error }) => error === undefined).map(({ nonce }) => nonce);

// ---------------------------------------------------------------- at the start

test(
  "a data folder that cannot be written stops the start with a sentence",
  noModes,
  async ({ dir, start }) => {
    Deno.mkdirSync(`${dir}/data`);
    Deno.chmodSync(`${dir}/data`, 0o555);
    const said = await refusal(start({ under: underModes }));
    assertStringIncludes(said, `Cannot open ${dir}/data/parley.db: `);
  },
);

test(
  "a database of a newer version stops the start, and is left alone",
  undefined,
  async (bench) => {
    await (await bench.start()).end();
    const file = new DatabaseSync(bench.database);
    file.exec("PRAGMA user_version = 1000");
    file.close();
    const before = Deno.readFileSync(bench.database);
    assertStringIncludes(await refusal(bench.start()), "a newer Parley has made it");
    assertEquals(Deno.readFileSync(bench.database), before);
  },
);

test(
  "a second server on a folder in use does not start, and harms nobody",
  undefined,
  async ({ start, join }) => {
    const server = await start();
    const ada = await join(server, "Ada");
    assertStringIncludes(await refusal(start()), "another server or program is using it");
    assertEquals((await ada.says("here")).offset, 1);
  },
);

test(
  "a database that another program has locked stops the start until it lets go",
  undefined,
  async (bench) => {
    const { start, join, database } = bench;
    await (await start()).end();
    const file = new DatabaseSync(database);
    try {
      file.exec("BEGIN EXCLUSIVE");
      assertStringIncludes(await refusal(start()), "another server or program is using it");
    } finally {
      file.close();
    }
    const ada = await join(await start(), "Ada");
    assertEquals((await ada.says("one")).offset, 1);
    // While the server runs it is the other way round.
    const other = new DatabaseSync(database);
    try {
      assertMatch(
        String(await assertRejects(() => Promise.try(() => other.exec("BEGIN EXCLUSIVE")))),
        /locked/,
      );
    } finally {
      other.close();
    }
    assertEquals((await ada.says("two")).offset, 2);
  },
);

test(
  "a file that is no database any more stops the start, and a backup brings all back",
  undefined,
  async (bench) => {
    const { start, join, database } = bench;
    const server = await start();
    await (await join(server, "Ada")).says("one");
    await server.end();
    const backup = Deno.readFileSync(database);
    Deno.writeFileSync(database, backup.slice().fill(0xa5, 0, 4_096));
    assertStringIncludes(await refusal(start()), `Cannot open ${database}: file is not a database`);
    Deno.writeFileSync(database, backup);
    assertEquals(await textsAfterwards(bench), ["one"]);
  },
);

test(
  "damage in old messages is met where they are read, and the talk goes on",
  undefined,
  async ({ start, join, database, log }) => {
    const first = await start();
    await (await join(first, "Ada")).floods(400);
    await first.end();
    const bytes = Deno.readFileSync(database);
    // Pages of messages are the largest part; the oldest are near the beginning.
    const pages = [0.25, 0.27].map((part) => Math.floor(bytes.length * part / 4_096) * 4_096);
    Deno.writeFileSync(database, bytes.fill(0xa5, ...pages as [number, number]));
    const server = await start();
    const ben = await join(server, "Ben");
    let before = ben.messages[0]?.offset ?? 0;
    let refused: string | undefined;
    while (refused === undefined) {
      const since = ben.heard.length;
      ben.send({ type: "history", room: "lobby", before, limit: 20 });
      const push = await ben.hears(({ type }) => type === "history" || type === "error", since);
      if (push.type === "error") refused = push.code;
      if (push.type === "history") {
        before = push.first === before ? 0 : push.messages[0]?.offset ?? 0;
      }
      assert(before > 1, "nothing is damaged");
    }
    assertEquals(refused, "storage_unavailable");
    assertMatch(log("error.log"), /event=read .*room=lobby .*malformed/);
    assertEquals((await ben.says("all the same")).offset, 401);
  },
);

// ---------------------------------------------------------------- a full disk

/** Writes until the disk is full, makes room again, and looks whether people, log and file agree. */
async function fillAndEmpty(
  { join, database, log }: Bench,
  server: ServerProcess,
  makeRoom: () => Promise<void>,
): Promise<void> {
  const ada = await join(server, "Ada");
  const ben = await join(server, "Ben");
  const answers = await ada.floods(400);
  assertEquals(codes(answers), new Set(["storage_unavailable"]));
  const sent = noncesOf(answers);
  await ben.hears((push) => push.type === "message" && push.nonce === sent.at(-1));
  assertEquals(ben.messages.map(({ nonce }) => nonce), sent);
  await server.said(/event=storage_failed/);
  assertMatch(log("error.log"), /event=storage_failed/);
  // What was said can still be read.
  ben.send({ type: "history", room: "lobby", before: 5, limit: 10 });
  await ben.hears((push) => push.type === "history" && push.messages.length === 4);

  await makeRoom();
  for (const { nonce, error } of answers) {
    if (error !== undefined) sent.push((await ada.says("again", nonce)).nonce);
  }
  await server.said(/event=storage_recovered/);
  await server.end("SIGKILL");
  assertEquals(noncesIn(database), sent);
}

test(
  "a full disk refuses what it cannot store, shows nothing of it, and goes on when there is room [M9]",
  undefined,
  async (bench) => {
    const server = await bench.start({ under: underLimit(400) });
    await fillAndEmpty(bench, server, () => limitFiles(server));
  },
);

test("a disk that is really full does the same [M9]", noMount, async (bench) => {
  const data = `${bench.dir}/data`;
  await withDisk(data, 2_000, async () => {
    Deno.writeFileSync(`${data}/ballast`, new Uint8Array(1_000_000));
    const server = await bench.start();
    await fillAndEmpty(bench, server, () => Deno.remove(`${data}/ballast`));
  });
});

test(
  "a disk that is full stops the start with a sentence, and all is there when there is room",
  undefined,
  async (bench) => {
    const first = await bench.start();
    await (await bench.join(first, "Ada")).says("one");
    await first.end();
    const said = await refusal(bench.start({ under: underLimit(1) }));
    assertStringIncludes(said, `Cannot open ${bench.database}: `);
    assertEquals(await textsAfterwards(bench), ["one"]);
  },
);

// ---------------------------------------------------------------- data taken away

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
    assertMatch(server.lines.at(-1) ?? "", /^Cannot save .*what was in it is lost$/);
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
    assertStringIncludes(server.lines.at(-1) ?? "", `${dir}/data/${copy}`);
    const second = await start();
    const back = await join(second, "Ben", { token: ben.token, position: { epoch, offset: 2 } });
    assertEquals((await back.joined()).recovered, false);
    assertEquals(back.texts, ["old"]);
    await second.end();
    Deno.renameSync(`${dir}/data/${copy}`, database);
    assertEquals(await textsAfterwards(bench), ["old", "new"]);
  },
);

// ---------------------------------------------------------------- logs

/** Writes messages until a log has a line of one: a log is looked at when there is something to write. */
async function talkUntilLogged(ada: Talker, log: () => string): Promise<void> {
  while (!log().includes("event=message")) {
    assertEquals((await ada.says("on")).error, undefined);
    await pause();
  }
}

test(
  "a log folder that is removed is made anew, and the talk goes on",
  undefined,
  async (bench) => {
    const { dir, start, join, log } = bench;
    const ada = await join(await start(), "Ada");
    await ada.says("one");
    Deno.removeSync(`${dir}/logs`, { recursive: true });
    await talkUntilLogged(ada, () => log("websocket.log"));
  },
);

test(
  "a full log says so on the console, harms no talk, and is taken up again",
  undefined,
  async (bench) => {
    const { dir, start, join, log } = bench;
    Deno.mkdirSync(`${dir}/logs`);
    for (const name of ["access", "error", "websocket"]) {
      Deno.writeTextFileSync(`${dir}/logs/${name}.log`, "");
      Deno.truncateSync(`${dir}/logs/${name}.log`, 2_000_000);
    }
    const server = await start({ under: underLimit(1_000) });
    const ada = await join(server, "Ada");
    assertEquals((await ada.says("one")).offset, 1);
    await server.said(/^Cannot write .*log: .*the chat goes on without it$/);
    await limitFiles(server);
    await talkUntilLogged(ada, () => log("websocket.log"));
  },
);

test(
  "a log folder that cannot be made does not stop the start",
  undefined,
  async ({ dir, start, join }) => {
    Deno.writeTextFileSync(`${dir}/logs`, "in the way");
    const server = await start();
    assertEquals((await (await join(server, "Ada")).says("one")).offset, 1);
    await server.said(/^Cannot write .*the chat goes on without it$/);
  },
);

test(
  "a disk that is full of logs takes nothing from the talk",
  noMount,
  async ({ dir, start, join }) => {
    await withDisk(`${dir}/logs`, 64, async () => {
      Deno.writeFileSync(`${dir}/logs/ballast`, new Uint8Array(64 * 1024));
      const server = await start();
      const ada = await join(server, "Ada");
      await server.said(/^Cannot write .*No space left.*the chat goes on without it$/);
      assertEquals((await ada.says("one")).offset, 1);
      await server.end("SIGKILL");
    });
  },
);

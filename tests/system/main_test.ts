import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namesIn, withBench } from "./faults/fault_harness.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;

/** Runs the program in a folder, where its database is in `data` unless `env` says otherwise, to its end. */
async function parley(
  dir: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ readonly code: number; readonly said: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", "-A", main, ...args],
    cwd: dir,
    env: { HOST: "127.0.0.1", PORT: "0", ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, said: decoder.decode(stderr) + decoder.decode(stdout) };
}

Deno.test("main prints one line with the address, and then only what happens", () =>
  withBench(async ({ start, join, log }) => {
    const server = await start();
    await join(server, "Ada");
    await server.said(/event=hello/);
    const [address, next = ""] = server.lines;
    assertEquals(address, `Parley is at ${server.url}`);
    assertMatch(next, /"GET .ws HTTP/);
    assertMatch(log("websocket.log"), /event=start /);
  }));

Deno.test("main refuses a word that is no command, also one that every object knows, and an empty flag, and makes no file", () =>
  withBench(async ({ dir }) => {
    for (
      const [args, expected] of [
        [["frobnicate"], 'Cannot use "frobnicate": there is no such command, only health, backup'],
        [["toString"], 'Cannot use "toString": there is no such command'],
        [["constructor", "lobby"], 'Cannot use "constructor": there is no such command'],
        [["--data-dir=", "--log-dir="], "Cannot use --data-dir: a value has to follow"],
        [["export", "lobby", ""], "Usage: parley export ROOM"],
        [["export", "lobby", "lobby.csv"], "its name has to end in .jsonl or .txt"],
        [["export", "BAD!", "bad.txt"], "a room name is 1 to 32 of a-z 0-9 -"],
        [["health", "127.0.0.1:8000"], "Usage: parley health [URL]"],
        [["health", "http://127.0.0.1:8000/", "more"], "Usage: parley health [URL]"],
      ] as const
    ) {
      const { code, said } = await parley(dir, args);
      assertEquals(code, 2, said);
      assertStringIncludes(said, expected);
    }
    const { said } = await parley(dir, ["--prot", "9000"]);
    assertEquals(said, 'Cannot use "--prot": there is no such flag, --help lists all\n');
    assertEquals(namesIn(dir), []);
  }));

Deno.test("main names DATA_DIR when it cannot be a folder", () =>
  withBench(async ({ dir }) => {
    await Deno.writeTextFile(`${dir}/afile`, "a file");
    for (const name of ["afile", "afile/data"]) {
      for (const args of [[], ["restore", "afile"]]) {
        const { code, said } = await parley(dir, args, { DATA_DIR: name });
        assertEquals(code, 1, said);
        assertStringIncludes(said, `Cannot use DATA_DIR="${name}": it has to be a folder`);
      }
    }
  }));

Deno.test("main backs up, exports and restores into a folder that is not there, and says what has no database", () =>
  withBench(async ({ dir, start, join }) => {
    const server = await start();
    await (await join(server, "Ada")).says("one");
    const run = async (expected: number, args: readonly string[], env?: Record<string, string>) => {
      const { code, said } = await parley(dir, args, env);
      assertEquals(code, expected, said);
      return said;
    };
    await run(0, ["backup", "copy.db"]);
    await run(0, ["backup", "copy.db"]);
    await Deno.writeTextFile(`${dir}/notes.md`, "# Notes that nobody wants to lose");
    assertStringIncludes(await run(1, ["backup", "notes.md"]), "is there, and is no database");
    assertStringIncludes(
      await run(1, ["restore", "nope.db"]),
      "Cannot copy nope.db: it is not there",
    );
    await run(0, ["export", "lobby", "lobby.txt"]);
    assertStringIncludes(await Deno.readTextFile(`${dir}/lobby.txt`), " Ada: one\n");
    assertStringIncludes(await run(0, ["export", "lobby"]), `"text":"one"`);
    const elsewhere = { DATA_DIR: "deep/down" };
    const none = "Cannot copy deep/down/parley.db: it is not there\n";
    assertEquals(await run(1, ["export", "lobby"], elsewhere), none);
    assertEquals(await run(1, ["export", "lobby", "lobby.txt"], elsewhere), none);
    assertEquals(await run(1, ["backup", "copy.db"], elsewhere), none);
    await run(0, ["restore", "copy.db"], elsewhere);
    assertStringIncludes(await run(0, ["export", "lobby"], elsewhere), `"text":"one"`);
  }));

Deno.test("main does not take an old database for the messages that are in Redis", () =>
  withBench(async ({ dir, start }) => {
    await (await start()).end();
    for (const verb of ["backup", "restore", "export"]) {
      const { code, said } = await parley(dir, [verb, "x"], { REDIS_URL: "redis://127.0.0.1:1" });
      assertEquals(code, 2);
      assertStringIncludes(said, `Cannot use ${verb}: it is for the database in DATA_DIR`);
      assertStringIncludes(said, "REDIS_URL");
    }
    assertEquals(namesIn(dir), ["data", "logs"]);
  }));

Deno.test("main removes at its start what an export that was killed has left of a copy", () =>
  withBench(async ({ dir, start }) => {
    await (await start()).end();
    await Deno.writeTextFile(`${dir}/data/parley.db.copy-left`, "half");
    await (await start()).end();
    assertEquals(namesIn(`${dir}/data`), ["parley.db"]);
  }));

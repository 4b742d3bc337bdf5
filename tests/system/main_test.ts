// The program's output, exit statuses and commands, from a real command line.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { namesIn, withBench } from "../support/server_bench.ts";
import { until } from "../support/waiting.ts";

const main = new URL("../../main.ts", import.meta.url).pathname;

/** Runs the program in `dir` until it exits. */
async function parley(
  dir: string,
  args: readonly string[],
  env: Record<string, string> = {},
  permissions: readonly string[] = ["-A"],
): Promise<{ readonly code: number; readonly output: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-q", "--no-prompt", ...permissions, main, ...args],
    cwd: dir,
    env: { HOST: "127.0.0.1", PORT: "0", ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stderr) + decoder.decode(stdout) };
}

Deno.test("main prints its address, and then only log lines", () =>
  withBench(async ({ start, join, log }) => {
    const server = await start();
    await join(server, "Ada");
    await server.waitForLine(/event=hello/);
    const [address, next = ""] = server.lines;
    assertEquals(address, `Parley is running at ${server.url}`);
    assertMatch(next, /"GET .ws HTTP/);
    assertMatch(log("websocket.log"), /event=start /);
    await server.end();
    assertMatch(server.lines.at(-1) ?? "", /event=stopped /);
  }));

Deno.test("main serves, and exits with its status, although its console cannot be written", () =>
  withBench(async ({ dir, log }) => {
    const run = (...args: readonly string[]) =>
      new Deno.Command("sh", {
        args: ["-c", 'exec "$0" run -q -A "$@" >/dev/full 2>&1', Deno.execPath(), main, ...args],
        cwd: dir,
        env: { HOST: "127.0.0.1", PORT: "0" },
      }).spawn();
    assertEquals((await run("frobnicate").status).code, 2);
    const server = run();
    await until(() => log("websocket.log").includes("event=start "), "the server has started");
    server.kill("SIGTERM");
    assertEquals((await server.status).code, 0);
  }));

Deno.test("main exits with status 2 on an invalid command line, and creates no file", () =>
  withBench(async ({ dir }) => {
    for (
      const [args, expected] of [
        [["frobnicate"], 'Cannot run "frobnicate": unknown command'],
        [["--data-dir=", "--log-dir="], "Cannot use --data-dir: its value is missing"],
        [["health", "127.0.0.1:8000"], "must be an http or https URL"],
      ] as const
    ) {
      const { code, output } = await parley(dir, args);
      assertEquals(code, 2, output);
      assertStringIncludes(output, expected);
    }
    assertEquals(namesIn(dir), []);
  }));

Deno.test("main, run without permissions, says how to start it", () =>
  withBench(async ({ dir }) => {
    const { code, output } = await parley(dir, [], {}, []);
    assertEquals([code, output], [
      2,
      "Cannot read the settings: start with `deno task start`, which grants permissions\n",
    ]);
  }));

Deno.test("main names a setting whose path is not a folder, and the server exits with status 2", () =>
  withBench(async ({ dir }) => {
    await Deno.writeTextFile(`${dir}/afile`, "a file");
    for (
      const [setting, args, status] of [
        ["DATA_DIR", [], 2],
        ["LOG_DIR", [], 2],
        ["DATA_DIR", ["restore", "afile"], 1],
      ] as const
    ) {
      for (const path of ["afile", "afile/folder"]) {
        const { code, output } = await parley(dir, args, { LOG_DIR: ".", [setting]: path });
        assertEquals(code, status, output);
        assertStringIncludes(output, `Cannot use ${setting}="${path}": must be a folder`);
      }
    }
  }));

Deno.test("main exits with status 2 if it cannot use a certificate or write its logs", () =>
  withBench(async ({ dir }) => {
    const tls = { TLS_CERT: "none.pem", TLS_KEY: "none.key" };
    await Deno.mkdir(`${dir}/logs/error.log`, { recursive: true });
    for (
      const [env, expected] of [
        [{ LOG_DIR: ".", ...tls }, 'Cannot use TLS_CERT="none.pem": No such file'],
        [{ LOG_DIR: "logs" }, 'Cannot use LOG_DIR="logs": Is a directory'],
      ] as const
    ) {
      const { code, output } = await parley(dir, [], env);
      assertEquals(code, 2, output);
      assertStringIncludes(output, expected);
    }
  }));

Deno.test("main backs up, exports, and restores into a new folder", () =>
  withBench(async ({ dir, start, join }) => {
    const server = await start();
    await (await join(server, "Ada")).sendMessage("one");
    const run = async (expected: number, args: readonly string[], env?: Record<string, string>) => {
      const { code, output } = await parley(dir, args, env);
      assertEquals(code, expected, output);
      return output;
    };
    await run(0, ["backup", "copy.db"]);
    await run(0, ["backup", "copy.db"]);
    await Deno.writeTextFile(`${dir}/notes.md`, "# Notes to keep");
    assertStringIncludes(await run(1, ["backup", "notes.md"]), "it exists and is not a database");
    assertStringIncludes(
      await run(1, ["restore", "nope.db"]),
      "Cannot copy nope.db: it does not exist",
    );
    await run(0, ["export", "lobby", "lobby.txt"]);
    assertStringIncludes(await Deno.readTextFile(`${dir}/lobby.txt`), " Ada: one\n");
    assertStringIncludes(await run(0, ["export", "lobby"]), `"text":"one"`);
    assertEquals(await run(0, ["export-chat", "a.jsonl"]), "Wrote 1 message to a.jsonl\n");
    const unread = await new Deno.Command("sh", {
      args: ["-c", '"$0" "$@" | true', Deno.execPath(), "run", "-q", "-A", main, "export", "lobby"],
      cwd: dir,
    }).output();
    assertEquals(new TextDecoder().decode(unread.stderr), "");
    const otherDir = { DATA_DIR: "deep/down" };
    const missing = "Cannot open deep/down/parley.db: it does not exist\n";
    assertEquals(await run(1, ["export", "lobby"], otherDir), missing);
    assertEquals(await run(1, ["export", "lobby", "lobby.txt"], otherDir), missing);
    assertEquals(await run(1, ["backup", "copy.db"], otherDir), missing);
    await run(0, ["restore", "copy.db"], otherDir);
    assertStringIncludes(await run(0, ["export", "lobby"], otherDir), `"text":"one"`);
  }));

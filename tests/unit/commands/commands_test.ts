// The command line of all commands.

import { assertRejects, assertStringIncludes } from "@std/assert";
import { runCommand, UsageError } from "../../../app/commands/commands.ts";
import { helpText, readConfig } from "../../../app/core/config.ts";
import type { Config } from "../../../app/core/config.ts";

function configOf(env: Record<string, string>): Config {
  const result = readConfig((name) => env[name], []);
  if (result.kind !== "config") throw new Error(JSON.stringify(result));
  return result.config;
}

Deno.test("runCommand() rejects an invalid command line before it touches any file", async () => {
  const config = configOf({ DATA_DIR: "/nowhere" });
  const unknown = "unknown command; the commands are backup, restore, export, export-chat, " +
    "import-chat, moderate, remove-room, repair-times, health; without one, the server starts";
  for (
    const [words, expected] of [
      [["frobnicate"], `Cannot run "frobnicate": ${unknown}`],
      [["toString"], `Cannot run "toString": ${unknown}`],
      [["constructor", "lobby"], `Cannot run "constructor": ${unknown}`],
      [["9000"], 'Cannot run "9000": unknown command; did you mean --port 9000?'],
      [["PORT=9000"], "unknown command; a flag starts with two hyphens, such as --port=9000"],
      [["–port", "9000"], "a flag starts with two hyphens"],
      [["bakcup", "a.db"], 'Cannot run "bakcup": unknown command; did you mean backup?'],
      [["help"], "did you mean --help?"],
      [["backup"], "Usage: parley backup FILE [flags]"],
      [["backup", "-"], 'Cannot backup: "-" does not mean standard input or output; name a file'],
      [["moderate"], "Usage: parley moderate list | lift ID"],
      [["repair-times", "now"], "Usage: parley repair-times [flags]"],
      [["restore", "a.db", "b.db"], "Usage: parley restore FILE"],
      [["export", "lobby", ""], "Usage: parley export ROOM"],
      [["export", "lobby", "lobby.csv"], "its name must end in .jsonl or .txt"],
      [
        ["export", "BAD!", "bad.txt"],
        'Cannot export "BAD!": room names have 1 to 32 characters a-z',
      ],
      [["health", "127.0.0.1:8000"], "must be an http or https URL"],
      [["health", "http://127.0.0.1:8000/", "more"], "Usage: parley health [URL]"],
    ] as const
  ) await assertRejects(() => runCommand(words, config), UsageError, expected);
});

Deno.test("helpText() lists every command", async () => {
  const { message } = await assertRejects(() => runCommand(["frobnicate"], configOf({})), Error);
  const names = /the commands are (.*?);/.exec(message)?.[1]?.split(", ") ?? [];
  for (const name of ["backup", ...names]) assertStringIncludes(helpText(), `parley ${name} `);
});

Deno.test("runCommand() refuses database commands while messages are in Redis", async () => {
  const config = configOf({ REDIS_URL: "redis://127.0.0.1:1", DATA_DIR: "/nowhere" });
  for (
    const [words, instead] of [
      [["backup", "x"], "Use export-chat, or back up Redis with its own tools"],
      [["restore", "x"], "Use import-chat, or restore Redis with its own tools"],
      [["repair-times"], "Use export-chat and import-chat, which sets times in the future to now"],
    ] as const
  ) {
    const expected = `Cannot ${words[0]}: messages are in Redis (REDIS_URL). ${instead}`;
    await assertRejects(() => runCommand(words, config), UsageError, expected);
  }
});

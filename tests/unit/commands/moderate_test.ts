// The `moderate` command.

import { assertEquals, assertRejects } from "@std/assert";
import { moderate, moderatorCommandOf } from "../../../app/commands/moderate.ts";
import { runCommand, UsageError } from "../../../app/commands/commands.ts";
import { readConfig } from "../../../app/core/config.ts";
import { startSite } from "../../support/web_harness.ts";

const code = "keep-the-peace";

function configOf(port: number, env: Record<string, string> = {}) {
  const all: Record<string, string> = { HOST: "127.0.0.1", PORT: String(port), ...env };
  const result = readConfig((name) => all[name], []);
  if (result.kind !== "config") throw new Error(JSON.stringify(result));
  return result.config;
}

Deno.test("moderatorCommandOf() parses the operands of each action", () => {
  const of = (words: string) => moderatorCommandOf(words.split(" "));
  assertEquals(of("list"), { type: "sanctions" });
  assertEquals(of("lift 3"), { type: "lift", id: 3 });
  assertEquals(of("sweep coeT8TKFLCnzEsRt 1.5"), {
    type: "sweep",
    member: "coeT8TKFLCnzEsRt",
    seconds: 5_400,
  });
  assertEquals(of("sweep coeT8TKFLCnzEsRt 1.1")?.seconds, 3_961);
  const { nonce, ...rest } = of("delete lobby 17") as Record<string, unknown>;
  assertEquals([typeof nonce, rest], ["string", { type: "delete", room: "lobby", offset: 17 }]);
  for (
    const wrong of [
      "",
      "list 1",
      "lift",
      "lift x",
      "lift 1 2",
      "delete lobby",
      "sweep ada",
      "sweep Ada 24",
    ]
  ) {
    assertEquals(of(wrong), undefined, wrong);
  }
});

Deno.test("moderate() sends a command and the code to the server, and returns its reply", async () => {
  await using site = await startSite();
  const { hub, server: { port }, access } = site;
  const config = configOf(port, { MODERATOR_CODE: code });
  assertEquals(await moderate({ type: "sanctions" }, config), "No mutes or bans\n");
  assertEquals(hub.operated, [{ code, command: { type: "sanctions" } }]);
  const until = Date.UTC(2026, 0, 1);
  const ban = { id: 3, kind: "ban", member: "m1", username: "Eve", at: 0, until } as const;
  hub.reply = { type: "sanctions", sanctions: [{ ...ban, by: "Mona", others: 19 }] };
  assertEquals(
    await moderate({ type: "lift", id: 4 }, config),
    "3  ban  Eve m1 and 19 more on the network, until 2026-01-01T00:00:00.000Z, by Mona\n",
  );
  const sweep = { type: "sweep", member: "coeT8TKFLCnzEsRt", seconds: 60 };
  assertEquals(await moderate(sweep, config), "Done\n");
  hub.reply = { type: "error", re: "lift", code: "not_found", message: "It is gone" };
  const lift = { type: "lift", id: 5 };
  await assertRejects(() => moderate(lift, config), Error, "Cannot moderate: It is gone");
  const message = "Wrong moderator code";
  hub.reply = { type: "error", re: "moderate", code: "moderator_denied", message };
  await assertRejects(() => moderate(lift, config), Error, "another MODERATOR_CODE, or none");
  assertEquals(access.at(-1)?.status, 401);
  const invalid = { type: "lift", id: -5 };
  await assertRejects(() => moderate(invalid, config), Error, 'Cannot moderate: "id" must be');
  hub.operate = () => Promise.reject(new Error("the disk is full"));
  const unavailable = "Cannot moderate: Moderation is not possible now. Try again later";
  await assertRejects(() => moderate(lift, config), Error, unavailable);
});

Deno.test("runCommand() moderates only with a code and a valid command line", async () => {
  const run = (...words: readonly string[]) => runCommand(["moderate", ...words], configOf(1));
  await assertRejects(() => run("ban", "eve"), UsageError, "Usage: parley moderate list | lift ID");
  await assertRejects(() => run("list"), Error, "set MODERATOR_CODE");
});

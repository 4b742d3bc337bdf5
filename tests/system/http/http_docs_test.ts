// Runs every example of docs/http.md against a real server.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { withBench } from "../../support/server_bench.ts";

const document = await Deno.readTextFile(new URL("../../../docs/http.md", import.meta.url));
const token = "c".repeat(43);
const moderatorCode = "keep-the-peace";

interface Example {
  readonly language: string;
  readonly code: string;
}

function examples(): readonly Example[] {
  return [...document.matchAll(/^```(\w+)\n(.*?)^```/gms)].map((
    [, language = "", code = ""],
  ) => ({ language, code }));
}

/** Runs an example and returns its output. */
async function run({ language, code }: Example, url: string): Promise<string> {
  const source = code.replaceAll("http://localhost:8000/", url);
  const commands: Record<string, readonly string[]> = {
    // An event stream never ends by itself.
    sh: ["bash", "-euo", "pipefail", "-c", source.replace("curl -N", "timeout 2 curl -sN")],
    python: ["python3", "-c", source],
    js: [Deno.execPath(), "eval", "-q", "--no-config", source],
  };
  const [command = "", ...args] = commands[language] ?? [];
  const { code: status, stdout, stderr } = await new Deno.Command(command, {
    args,
    env: { TOKEN: token, MODERATOR_CODE: moderatorCode, NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout);
  const isTimeout = status === 124 && code.includes("curl -N");
  assert(status === 0 || isTimeout, `${code}\n${new TextDecoder().decode(stderr)}`);
  assert(!output.includes('"status":'), `${code}\n${output}`);
  return output;
}

Deno.test("docs/http.md has examples that run", async () => {
  await withBench(async ({ start }) => {
    const { url } = await start({ env: { MODERATOR_CODE: moderatorCode } });
    const outputs: string[] = [];
    for (const example of examples()) outputs.push(await run(example, url));
    const [secret = "", first = "", second = "", reply = "", change = "", python = "", ...rest] =
      outputs;
    const [reading = "", polling = "", searching = "", following = "", joined = "", ...others] =
      rest;
    const [moderating = "", ...none] = others;
    assertEquals(none, []);
    assertEquals(secret.trim().length, 43);
    assertStringIncludes(first, '"text":"Build 42 is green"');
    assertStringIncludes(second, '"nonce":"build-43"');
    assertStringIncludes(reply, '"reply":1');
    assertStringIncludes(change, '"text":"Build 42 is red"');
    assertEquals(python, "/r/builds/6\n");
    assertStringIncludes(reading, " ci [edited]: Build 42 is red\n");
    assertStringIncludes(reading, " ci deleted this message\n");
    assertStringIncludes(polling, "ci Tests passed: 1,204 of 1,204 ✓\n");
    assertStringIncludes(searching, '"results":[');
    assertStringIncludes(following, "event: room\n");
    assertEquals(joined, "");
    assertStringIncludes(moderating, '"kind":"mute","member":"coeT8TKFLCnzEsRt"');
    assert(moderating.endsWith('{"sanctions":[]}'), moderating);
  });
});

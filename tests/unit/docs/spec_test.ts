// SPEC.md matches the tests and the code.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);
const spec = await Deno.readTextFile(new URL("SPEC.md", root));

/** Returns the ids in brackets in all test files. */
async function citedRules(dir: URL): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { name, isDirectory } of Deno.readDir(dir)) {
    if (isDirectory) {
      for (const id of await citedRules(new URL(`${name}/`, dir))) ids.add(id);
    } else if (name.endsWith(".ts")) {
      const text = await Deno.readTextFile(new URL(name, dir));
      for (const [, id = ""] of text.matchAll(/\[([A-Z]\d+)\]/g)) ids.add(id);
    }
  }
  return ids;
}

Deno.test("SPEC.md contains exactly the rules that tests cite", async () => {
  const rules = [...spec.matchAll(/^- \*\*([A-Z]\d+)\*\*/gm)].map(([, id = ""]) => id);
  const cited = await citedRules(new URL("tests/", root));
  assert(rules.length > 50);
  assertEquals(rules.filter((id) => !cited.has(id)), []);
  assertEquals([...cited].filter((id) => !rules.includes(id)), []);
});

/** Returns the members of a type in wire.ts: a union's strings, or an interface's fields. */
function membersOf(wire: string, pattern: RegExp, member: RegExp): string[] {
  const [, body = ""] = pattern.exec(wire) ?? [];
  return [...body.matchAll(member)].map(([, name = ""]) => name);
}

Deno.test("SPEC.md lists every error code, limit and heartbeat field", async () => {
  const wire = await Deno.readTextFile(new URL("app/protocol/wire.ts", root));
  const field = /readonly (\w+):/g;
  const names = [
    ...membersOf(wire, /type ErrorCode =([^;]*);/, /"(\w+)"/g),
    ...membersOf(wire, /interface ServerLimits \{([^}]*)\}/, field),
    ...membersOf(wire, /interface Heartbeat \{([^}]*)\}/, field),
  ];
  assert(names.length > 30);
  assertEquals(names.filter((name) => !spec.includes(`\`${name}\``)), []);
});

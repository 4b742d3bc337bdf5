import { assertEquals } from "@std/assert";

/** Every rule of SPEC.md is cited by the name of a test. */
Deno.test("SPEC.md has no rule that no test cites", async () => {
  const root = new URL("../../../", import.meta.url);
  const spec = await Deno.readTextFile(new URL("SPEC.md", root));
  const rules = [...spec.matchAll(/^- \*\*([A-Z]\d+)\*\*/gm)].map(([, id = ""]) => id);
  const cited = new Set<string>();
  const read = async (dir: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(dir)) {
      if (isDirectory) await read(new URL(`${name}/`, dir));
      else if (name.endsWith(".ts")) {
        const text = await Deno.readTextFile(new URL(name, dir));
        for (const [, id = ""] of text.matchAll(/\[([A-Z]\d+)\]/g)) cited.add(id);
      }
    }
  };
  await read(new URL("tests/", root));
  assertEquals(rules.filter((id) => !cited.has(id)), []);
  assertEquals([...cited].filter((id) => !rules.includes(id)), []);
});

// The versions of the local @std packages.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);

interface Manifest {
  readonly imports: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
}

Deno.test("every link in deno.json has the version that is imported", async () => {
  const { imports, links = [] }: Manifest = await readJson("deno.json");
  for (const link of links) {
    const { name, version } = await readJson(`${link}/deno.json`);
    assertEquals(imports[name], `jsr:${name}@${version}`);
    assert(import.meta.resolve(name).startsWith(new URL(`${link}/`, root).href), name);
  }
});

async function readJson(path: string) {
  return JSON.parse(await Deno.readTextFile(new URL(path, root)));
}

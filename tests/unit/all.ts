// All unit tests in one isolate: loading the code once per file takes longer than running them.

const here = new URL(".", import.meta.url);

for (const path of await testFiles(here)) await import(path);

/** Returns the test files below a folder, in the order of their paths. */
async function testFiles(folder: URL): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(folder));
  const found = entries.map(async ({ name, isDirectory }) => {
    if (isDirectory) return await testFiles(new URL(`${name}/`, folder));
    return name.endsWith("_test.ts") ? [new URL(name, folder).href] : [];
  });
  return (await Promise.all(found)).flat().sort();
}

// The check of the bundler's hash.

import { assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { checkBundlers } from "../../../scripts/prepare.ts";

Deno.test("checkBundlers() refuses a replaced bundler, and ignores unknown versions", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const published = "published";
    const hash = createHash("sha256").update(published).digest("hex");
    const hashes = { "0.25.5": { "linux-x64": hash, "win32-x64": hash } };
    assertEquals(await checkBundlers(`${dir}/missing`, hashes), 0);
    const write = async (path: string, text: string) => {
      await Deno.mkdir(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${dir}/${path}`, text);
    };
    await write("esbuild-0.25.5-1/esbuild-linux-x64", published);
    await write("esbuild-0.25.5/esbuild-win32-x64.exe", published);
    await write("esbuild-0.30.0/esbuild-linux-x64", "of another Deno");
    await write("denort-2.9.6/denort", "something else");
    assertEquals(await checkBundlers(dir, hashes), 3);
    for (
      const path of ["esbuild-0.25.5/esbuild-win32-x64.exe", "esbuild-0.25.5-1/esbuild-linux-x64"]
    ) {
      await write(path, "replaced");
      await assertRejects(() => checkBundlers(dir, hashes), Error, `${dir}/${path}`);
      await write(path, published);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

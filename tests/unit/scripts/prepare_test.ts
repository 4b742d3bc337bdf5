// Fetching packages and the bundler, and their checks.

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { checkBundlers, prepare } from "../../../scripts/prepare.ts";
import { freePort } from "../../support/free_port.ts";

Deno.test("checkBundlers() refuses a replaced bundler, and ignores unknown versions", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const published = "published";
    const hash = createHash("sha256").update(published).digest("hex");
    const hashes = { "0.25.5": { "linux-x64": hash, "win32-x64": hash } };
    assertEquals(await checkBundlers(`${dir}/missing`, [], hashes), []);
    const write = async (path: string, text: string) => {
      await Deno.mkdir(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${dir}/${path}`, text);
    };
    await write("esbuild-0.25.5-1/esbuild-linux-x64", published);
    await write("esbuild-0.25.5/esbuild-win32-x64.exe", published);
    await write("esbuild-0.30.0/esbuild-linux-x64", "of another Deno");
    await write("denort-2.9.6/denort", "something else");
    assertEquals((await checkBundlers(dir, [], hashes)).length, 3);
    for (
      const path of ["esbuild-0.25.5/esbuild-win32-x64.exe", "esbuild-0.25.5-1/esbuild-linux-x64"]
    ) {
      await write(path, "replaced");
      await assertRejects(() => checkBundlers(dir, [], hashes), Error, `${dir}/${path}`);
      assertEquals((await checkBundlers(dir, [`${dir}/${path}`], hashes)).length, 3);
      await write(path, published);
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("prepare() says how to restore a deno.lock that an older Deno has changed", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/static/client`, { recursive: true });
    await Deno.writeTextFile(`${dir}/static/client/main.ts`, "");
    await Deno.writeTextFile(`${dir}/deno.json`, "{}");
    await Deno.writeTextFile(`${dir}/deno.lock`, `{ "version": "5" }`);
    await Deno.writeTextFile(`${dir}/main.ts`, `import "npm:@redis/client@5.12.1";`);
    await assertRejects(() => prepare(dir), Error, '"git checkout deno.lock"');
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("prepare() fetches the bundler although that of another version of Deno is cached", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${dir}/dl/esbuild-0.1.0`, { recursive: true });
    await Deno.writeTextFile(`${dir}/dl/esbuild-0.1.0/esbuild-linux-x64`, "of another Deno");
    await Deno.mkdir(`${dir}/static/client`, { recursive: true });
    for (const name of ["static/client/main.ts", "main.ts"]) {
      await Deno.writeTextFile(`${dir}/${name}`, "");
    }
    await Deno.writeTextFile(`${dir}/deno.json`, "{}");
    const module = new URL("../../../scripts/prepare.ts", import.meta.url);
    const code = `import { prepare } from "${module}"; await prepare("${dir}");`;
    const { stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "-q", code],
      // No registry listens there.
      env: { DENO_DIR: dir, NPM_CONFIG_REGISTRY: `http://127.0.0.1:${freePort()}/` },
    }).output();
    assertMatch(new TextDecoder().decode(stderr), /Cannot prepare to start: .*esbuild/s);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

// Checks of the Dockerfile and the compose file that need no engine.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { configNames } from "../../../app/core/config.ts";
import denoJson from "../../../deno.json" with { type: "json" };

const read = (name: string) => Deno.readTextFile(new URL(`../../../${name}`, import.meta.url));

/** Fixed inside the container, or set by an example in docs. */
const fixed = new Set(["HOST", "PORT", "DATA_DIR", "LOG_DIR", "TLS_CERT", "TLS_KEY", "DEV"]);

Deno.test("docker-compose.yml passes on every setting that is not fixed in the container", async () => {
  const [, list = ""] = /environment:\n((?: +- [A-Z_]+\n)+)/.exec(
    await read("docker-compose.yml"),
  ) ?? [];
  const passed = list.trim().split(/\s*- /).filter((name) => name !== "");
  assertEquals(passed, configNames.filter((name) => !fixed.has(name)).toSorted());
});

Deno.test("the image's label has the version of deno.json", async () => {
  assertStringIncludes(await read("Dockerfile"), `image.version="${denoJson.version}"`);
});

Deno.test({
  name: "a checkout has line feeds on every system, without which the container can't start",
  ignore: !hasGit(),
  async fn() {
    const dir = await Deno.makeTempDir();
    const git = (...args: string[]) =>
      new Deno.Command("git", { args: ["-c", "core.autocrlf=true", ...args], cwd: dir }).output();
    try {
      await git("init", "-q");
      await Deno.writeTextFile(`${dir}/.gitattributes`, await read(".gitattributes"));
      await Deno.writeTextFile(`${dir}/parley`, "#!/bin/sh\n");
      await git("add", ".");
      await Deno.remove(`${dir}/parley`);
      await git("checkout", "-q", "parley");
      assertEquals(await Deno.readTextFile(`${dir}/parley`), "#!/bin/sh\n");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

function hasGit(): boolean {
  const args = ["-c", "command -v git"];
  return new Deno.Command("sh", { args, stdout: "null" }).outputSync().success;
}

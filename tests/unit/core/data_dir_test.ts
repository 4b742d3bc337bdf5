// The folders for data and logs.

import { assert, assertStringIncludes, assertThrows } from "@std/assert";
import { relative } from "@std/path";
import { foreignOwner, makeLogDir } from "../../../app/core/data_dir.ts";
import { readConfig } from "../../../app/core/config.ts";
import { SettingError } from "../../../app/core/setting_error.ts";

Deno.test({
  name: "makeLogDir() refuses a named pipe instead of blocking on it",
  ignore: Deno.build.os === "windows",
  fn() {
    const logDir = Deno.makeTempDirSync();
    try {
      new Deno.Command("mkfifo", { args: [`${logDir}/error.log`] }).outputSync();
      const result = readConfig((name) => name === "LOG_DIR" ? logDir : undefined, []);
      if (result.kind !== "config") throw new Error(result.kind);
      assertThrows(() => makeLogDir(result.config), SettingError, "it is a pipe");
    } finally {
      Deno.removeSync(logDir, { recursive: true });
    }
  },
});

Deno.test({
  name: "foreignOwner() names absolute paths, since a service starts in another folder",
  ignore: Deno.build.os === "windows",
  async fn() {
    const dir = await Deno.realPath(await Deno.makeTempDir());
    try {
      const other = Number((await Deno.stat(dir)).uid) + 1;
      const remedy = foreignOwner(`${relative(Deno.cwd(), dir)}/parley.db`, other) ?? "";
      assertStringIncludes(remedy, `${dir} belongs to user`);
      assertStringIncludes(remedy, `chown -R ${other} ${dir}`);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

Deno.test({
  name: "foreignOwner() never advises giving away a folder that other programs use",
  ignore: Deno.build.os === "windows",
  async fn() {
    const dir = await Deno.realPath(await Deno.makeTempDir());
    try {
      const other = Number((await Deno.stat(dir)).uid) + 1;
      const remedy = () => foreignOwner(`${dir}/error.log`, other) ?? "";
      // A new disk and a new checkout are not quite empty.
      for (const name of ["lost+found", ".gitkeep"]) await Deno.mkdir(`${dir}/${name}`);
      assertStringIncludes(remedy(), "chown -R");
      await Deno.writeTextFile(`${dir}/syslog`, "");
      assertStringIncludes(remedy(), "choose one for Parley alone");
      assert(!remedy().includes("chown"));
      await Deno.writeTextFile(`${dir}/access.log.1`, "");
      assertStringIncludes(remedy(), "chown -R");
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
});

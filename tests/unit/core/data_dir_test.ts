// The log folder's check at startup.

import { assertThrows } from "@std/assert";
import { makeLogDir } from "../../../app/core/data_dir.ts";
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

// The identity of the file at a path.

import { assertEquals, assertNotEquals } from "@std/assert";
import { fileIdentity } from "../../../app/core/file_info.ts";

Deno.test({
  name: "fileIdentity() tells that a file was replaced, even by a link that leads nowhere",
  ignore: Deno.build.os === "windows",
  fn() {
    const dir = Deno.makeTempDirSync();
    const path = `${dir}/file`;
    try {
      assertEquals(fileIdentity(path), undefined);
      Deno.writeTextFileSync(path, "");
      const first = fileIdentity(path);
      assertEquals(fileIdentity(`${path}/below`), undefined);
      Deno.renameSync(path, `${dir}/moved`);
      Deno.writeTextFileSync(path, "");
      assertNotEquals(fileIdentity(path), first);
      Deno.removeSync(path);
      for (const target of [path, `${dir}/none`]) {
        Deno.symlinkSync(target, path);
        assertEquals(fileIdentity(path), undefined, target);
        Deno.removeSync(path);
      }
    } finally {
      Deno.removeSync(dir, { recursive: true });
    }
  },
});

// The files that commands write.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { backUp } from "../../../app/commands/backup.ts";
import { exportLines, readRoom } from "../../../app/commands/export.ts";
import { writeLines } from "../../../app/commands/output_file.ts";
import { databaseFolder, storeMessage, textsOf } from "../../support/database_folder.ts";

Deno.test("backUp() and writeLines() overwrite only regular files, and never the database", async () => {
  await using folder = await databaseFolder();
  const { dir, path } = folder;
  const broker = folder.open();
  storeMessage(broker, "one");
  await Deno.symlink(path, `${dir}/soft.db`);
  await Deno.link(`${path}-wal`, `${dir}/hard.db`);
  await Deno.symlink(dir, `${dir}/here`);
  await Deno.mkdir(`${dir}/folder`);
  await new Deno.Command("mkfifo", { args: [`${dir}/pipe`] }).output();
  const before = folder.names();
  const own = "this is the database itself";
  for (
    const [name, message] of [
      ["parley.db", own],
      ["parley.db-wal", own],
      ["parley.db-shm", own],
      ["here/parley.db-journal", own],
      ["parley.lock", own],
      ["soft.db", own],
      ["hard.db", own],
      ["pipe", "is not a regular file"],
      ["folder", "is not a regular file"],
      ["nowhere/copy.db", `there is no folder ${dir}/nowhere`],
      ["parley.db/copy.db", `there is no folder ${path}`],
    ] as const
  ) {
    const to = `${dir}/${name}`;
    const exportLobby = () => writeLines(to, exportLines(readRoom(path, "lobby"), "jsonl"), path);
    for (const write of [() => backUp(path, to), exportLobby]) {
      const { message: actual } = await assertRejects(write, Error, message);
      assertStringIncludes(actual, `Cannot write ${to}: `);
    }
  }
  assertEquals(folder.names(), before);
  assertEquals((await Deno.lstat(`${dir}/pipe`)).isFifo, true);
  assertEquals(textsOf(broker), ["one"]);
});

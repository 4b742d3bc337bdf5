// The error for a folder or a file of another user, or on a read-only disk.

import { assertEquals } from "@std/assert";
import { openError } from "../../../app/broker/sqlite/open_error.ts";

Deno.test("openError() names the owner of another user's folder or file, and a remedy", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/parley.db`;
    const { uid } = await Deno.stat(dir);
    const other = Number(uid) + 1;
    const denied = [
      "unable to open database file",
      "attempt to write a readonly database",
      "Permission denied (os error 13)",
    ];
    for (const message of denied) {
      assertEquals(
        openError(path, new Error(message), other).message,
        `Cannot open ${path}: ${dir} belongs to user ${uid}, but this process runs as user ` +
          `${other}; start it as user ${uid}, or run: chown -R ${other} ${dir}`,
      );
      assertEquals(openError(path, new Error(message)).message, `Cannot open ${path}: ${message}`);
      assertEquals(
        openError(path, new Error(message), null).message,
        `Cannot open ${path}: ${message}`,
      );
    }
    assertEquals(
      openError(path, new Error("file is not a database"), other).message,
      `Cannot open ${path}: file is not a database`,
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("openError() says what to do about a database on a read-only or full disk", async () => {
  const dir = await Deno.makeTempDir();
  const path = `${dir}/parley.db`;
  const copy = "make its folder writable, or copy the folder to another disk and set DATA_DIR";
  try {
    await Deno.writeTextFile(path, "");
    for (
      const [message, remedy] of [
        ["unable to open database file", copy],
        ["attempt to write a readonly database", copy],
        ["disk I/O error", "the disk may be full or damaged"],
      ] as const
    ) {
      assertEquals(
        openError(path, new Error(message)).message,
        `Cannot open ${path}: ${message}; ${remedy}`,
      );
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

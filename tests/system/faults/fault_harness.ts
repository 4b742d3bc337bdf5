// Ways to limit or remove a server's disk, for the tests of docs/failures.md. A clock that is set
// back is tested in tests/unit (sqlite_broker_test.ts, logging_test.ts).

import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { withBench } from "../../support/server_bench.ts";
import type { Bench } from "../../support/server_bench.ts";
import type { ServerProcess } from "../../support/server_process.ts";

/** Defines a test, which is skipped if a `skipReason` is given. */
export function test(
  name: string,
  skipReason: string | undefined,
  use: (bench: Bench) => Promise<void>,
): void {
  const title = skipReason === undefined ? name : `${name} (${skipReason})`;
  Deno.test({
    name: `Faults: ${title}`,
    ignore: skipReason !== undefined,
    fn: () => withBench(use),
  });
}

/** Returns the nonces of a database that no server uses, whose offsets must be 1, 2, 3, … */
export function noncesIn(database: string): readonly string[] {
  using file = new DatabaseSync(database);
  const rows = file.prepare("SELECT offset, nonce FROM entries ORDER BY offset").all();
  assertEquals(rows.map(({ offset }) => offset), rows.map((_, i) => i + 1));
  return rows.map(({ nonce }) => String(nonce));
}

/** Returns a command prefix that limits the size of a server's files, like a full disk. */
export function underLimit(kib: number): readonly string[] {
  return ["bash", "-c", `trap '' XFSZ; ulimit -S -f ${kib}; exec "$0" "$@"`];
}

/** Sets the max size of a running server's files, in bytes; without it there is no limit. */
export async function limitFiles(server: ServerProcess, bytes?: number): Promise<void> {
  const { success } = await new Deno.Command("prlimit", {
    args: ["--pid", String(server.process.pid), `--fsize=${bytes ?? "unlimited"}:unlimited`],
  }).output();
  if (!success) throw new Error("Cannot set the limit: prlimit failed");
}

const isRoot = Deno.uid() === 0;

/** A command prefix that makes file modes apply to a server even if it is run by root. */
export const underModes: readonly string[] = isRoot
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

/** Skip reason of tests that need `underModes`; `undefined` if it works here. */
export const noModes = underModes.length > 0 && !succeeds([...underModes, "true"])
  ? "needs setpriv when run by root"
  : undefined;

/** Skip reason of tests that give a file to another user; `undefined` if that works here. */
export const noOwners = isRoot ? undefined : "needs root";

/** Skip reason of tests that mount a small disk; `undefined` if that works here. */
export const noMount = mountSkipReason();

function mountSkipReason(): string | undefined {
  if (!isRoot) return "needs root";
  const dir = Deno.makeTempDirSync();
  const isMounted = succeeds(["mount", "-t", "tmpfs", "none", dir]);
  if (isMounted) succeeds(["umount", dir]);
  Deno.removeSync(dir);
  return isMounted ? undefined : "needs permission to mount";
}

/** Runs `use` while `dir` is a separate disk of `kib` KiB. */
export async function withDisk(dir: string, kib: number, use: () => Promise<void>): Promise<void> {
  Deno.mkdirSync(dir);
  succeeds(["mount", "-t", "tmpfs", "-o", `size=${kib}k`, "none", dir]);
  try {
    await use();
  } finally {
    succeeds(["umount", "--lazy", dir]);
  }
}

function succeeds([command = "", ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(command, { args }).outputSync().success;
  } catch {
    return false;
  }
}

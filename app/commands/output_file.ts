// Output files of commands. They never replace the database, and appear only when complete.

import { basename, dirname, join } from "@std/path";
import { lockPathOf } from "../broker/sqlite/lock.ts";
import { writeAll } from "../core/console.ts";
import { errorMessage } from "../core/error_message.ts";
import { databaseSuffixes, infoOf, isSameFile, removeDatabase } from "./database_access.ts";

/** An unfinished file that hasn't changed for this long was left behind by a killed command. */
const abandonedMs = 3_600_000;
/** Characters per write, at least. */
const writeChars = 65_536;

/**
 * Checks whether a command that reads `database` may write to `to`.
 *
 * @throws {Error} If `to` is the database itself or not a regular file, or its folder is missing.
 */
export function checkOutput(database: string, to: string): void {
  const found = infoOf(to);
  const reason = isPartOf(database, to)
    ? "this is the database itself"
    : found !== undefined && !found.isFile
    ? "it exists and is not a regular file"
    : infoOf(dirname(to))?.isDirectory
    ? undefined
    : `there is no folder ${dirname(to)}; create it first`;
  if (reason !== undefined) throw new Error(`Cannot write ${to}: ${reason}`);
}

/**
 * Calls `write` with the path of an unfinished file, which then replaces `to`. If anything fails,
 * `to` stays as it is.
 */
export async function writeOutput(
  to: string,
  write: (unfinished: string) => Promise<void>,
): Promise<void> {
  const prefix = `${basename(to)}.unfinished-`;
  removeAbandoned(dirname(to), prefix);
  // Two commands may write to the same file.
  const unfinished = join(dirname(to), prefix + crypto.randomUUID().slice(0, 8));
  try {
    // SQLite's errors don't tell a full folder from one that can't be written to.
    Deno.openSync(unfinished, { write: true, createNew: true }).close();
    await write(unfinished);
    Deno.renameSync(unfinished, to);
  } catch (error) {
    // System errors don't name the file.
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new Error(`Cannot write ${unfinished}: ${errorMessage(error)}`, { cause: error });
  } finally {
    removeDatabase(unfinished);
  }
}

/**
 * Writes lines to a file, which replaces an existing one once it is complete.
 *
 * @throws {Error} If the file cannot be written, or belongs to the `database` that the lines are
 *   read from.
 */
export async function writeLines(
  to: string,
  lines: AsyncIterable<string>,
  database?: string,
): Promise<void> {
  if (database !== undefined) checkOutput(database, to);
  await writeOutput(to, async (unfinished) => {
    using file = Deno.openSync(unfinished, { append: true });
    let text = "";
    for await (const line of lines) {
      text += line;
      if (text.length < writeChars) continue;
      writeAll(file, text);
      text = "";
    }
    // Not with `Deno.writeTextFile` and a stream, which ignores it if this last write fails.
    writeAll(file, text);
    file.syncDataSync();
  });
}

function removeAbandoned(dir: string, prefix: string): void {
  for (const { name } of Deno.readDirSync(dir)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(dir, name);
    const changedAt = infoOf(path)?.mtime?.getTime() ?? Infinity;
    if (changedAt < Date.now() - abandonedMs) Deno.removeSync(path);
  }
}

/** Returns whether `to` is the database or one of its companion files, directly or by a link. */
function isPartOf(database: string, to: string): boolean {
  // If the database is missing, the command that reads it reports that.
  if (infoOf(database) === undefined) return false;
  const real = Deno.realPathSync(database);
  return databaseSuffixes.some((suffix) =>
    isSameFile(to, real + suffix) || isSamePath(to, real + suffix)
  ) || isSamePath(to, lockPathOf(real));
}

/** Returns whether `to` is the same path as `path`, which may not exist yet. */
function isSamePath(to: string, path: string): boolean {
  return basename(to) === basename(path) && isSameFile(dirname(to), dirname(path));
}

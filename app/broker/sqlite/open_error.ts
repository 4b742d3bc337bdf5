// Explains why a file in a data folder cannot be opened, and what to do about it.

import { dirname } from "@std/path";
import { errorMessage } from "../../core/error_message.ts";

/** Matches SQLite's errors for a file that it has no permission to open or write. */
const deniedMessage = /unable to open|disk I\/O|readonly|permission denied/i;

/** Returns an error that names `path`. `uid` is the user that this process runs as. */
export function openError(path: string, error: unknown, uid = ownUid()): Error {
  const message = errorMessage(error);
  const why = message.includes("locked")
    ? "another program is using it"
    : deniedMessage.test(message)
    ? foreignOwner(path, uid) ?? message
    : message;
  return new Error(`Cannot open ${path}: ${why}`, { cause: error });
}

/** Returns an explanation if the file or its folder belongs to another user. */
function foreignOwner(path: string, uid: number | null): string | undefined {
  const dir = dirname(path);
  for (const found of [dir, path]) {
    const owner = ownerOf(found);
    if (uid === null || owner === null || owner === uid) continue;
    return `${found} belongs to user ${owner}, but this process runs as user ${uid}; ` +
      `start it as user ${owner}, or run: chown -R ${uid} ${dir}`;
  }
  return undefined;
}

function ownerOf(path: string): number | null {
  try {
    return Deno.statSync(path).uid;
  } catch {
    return null;
  }
}

function ownUid(): number | null {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" ? Deno.uid() : null;
}

// Explains why a file in a data folder cannot be opened, and what to do about it.

import { foreignOwner, ownUid } from "../../core/data_dir.ts";
import { errorMessage } from "../../core/error_message.ts";

/** Matches SQLite's errors for a file that it has no permission to open or write. */
const deniedMessage = /unable to open|disk I\/O|readonly|permission denied/i;

/** Returns an error that names `path`. `uid` is the user that this process runs as. */
export function openError(path: string, error: unknown, uid = ownUid()): Error {
  const message = errorMessage(error);
  const reason = message.includes("locked")
    ? "another program is using it"
    : deniedMessage.test(message)
    ? foreignOwner(path, uid) ?? message
    : message;
  return new Error(`Cannot open ${path}: ${reason}`, { cause: error });
}

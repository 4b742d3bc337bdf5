// Explains why a file in a data folder cannot be opened, and what to do about it.

import { foreignOwner, ownUid } from "../../core/data_dir.ts";
import { errorMessage } from "../../core/error_message.ts";
import { fileInfo } from "../../core/file_info.ts";
import { SettingError } from "../../core/setting_error.ts";

/** Matches SQLite's errors for a file that it has no permission to open or write. */
const deniedMessage = /unable to open|disk I\/O|readonly|permission denied/i;
/** Matches SQLite's errors for a file whose folder it cannot write to. */
const readOnlyMessage = /unable to open|readonly/;

/** Returns the reason for an SQLite error. SQLite can report a full disk as an I/O error. */
export function sqliteReason(error: unknown): string {
  const message = errorMessage(error);
  return message === "disk I/O error" ? `${message}; the disk may be full or damaged` : message;
}

/**
 * Returns an error that names `path`: a `SettingError` if the folder belongs to a user other than
 * `uid`, the user of this process.
 */
export function openError(path: string, error: unknown, uid = ownUid()): Error {
  const message = errorMessage(error);
  const owner = deniedMessage.test(message) ? foreignOwner(path, uid) : undefined;
  const remedy = readOnlyMessage.test(message) && fileInfo(path)?.isFile
    ? "; make its folder writable, or copy the folder to another disk and set DATA_DIR"
    : "";
  const reason = message.includes("locked")
    ? "another program is using it"
    : owner ?? sqliteReason(error) + remedy;
  const Kind = owner === undefined ? Error : SettingError;
  return new Kind(`Cannot open ${path}: ${reason}`, { cause: error });
}

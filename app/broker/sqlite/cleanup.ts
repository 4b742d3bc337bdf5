// Cleans up after deletions: returns free pages to the file system, and erases the copies of
// deleted text that SQLite leaves in its files.

import type { DatabaseFile } from "./database.ts";
import { StepSize } from "./step_size.ts";

/** Free pages that one call of `shrink` returns to the file system. */
const shrinkPages = 200;
/** Pages whose unused space one call of `erase` erases: 2 to 8 MB, in a few ms. */
const minErasePages = 512;
const maxErasePages = 2_048;

/** The remaining cleanup of one database. */
export class Cleanup {
  /** Whether the file or the journal may have free pages to return to the file system. */
  hasGarbage = false;
  /** Whether the journal may have deleted text. A killed server may have left some. */
  hasDeletedText = true;
  /** Whether a walk through the file's unused space continues. */
  #isErasing = false;
  readonly #pages: StepSize;

  /** `now` returns a monotonic time in ms. */
  constructor(now?: () => number) {
    this.#pages = new StepSize(minErasePages, maxErasePages, now);
  }

  /** Shrinks the file by one step. Returns whether there is more to do. */
  shrink(file: DatabaseFile): boolean {
    // Each row of the statement frees one page; `exec` would stop after the first.
    const isShrinking =
      file.all(`PRAGMA incremental_vacuum(${shrinkPages})`).length === shrinkPages;
    // Shrinking may have moved pages past the walk.
    this.hasDeletedText ||= this.#isErasing;
    if (isShrinking) return true;
    this.hasGarbage = !truncateJournal(file);
    return false;
  }

  /** Whether `erase` has something to do. */
  get mustErase(): boolean {
    return this.hasDeletedText || this.#isErasing;
  }

  /** Empties the journal and takes a step through the file. */
  erase(file: DatabaseFile): void {
    if (!truncateJournal(file)) return;
    this.#isErasing = this.#pages.take(
      (pages) => file.eraseFreeSpace(pages, this.hasDeletedText),
      (hasMore) => hasMore ? maxErasePages : 0,
    );
    this.hasDeletedText = false;
  }
}

/**
 * Moves the journal into the file and empties it, so that it has no deleted text. Returns false if
 * another program is reading an older state, which prevents that.
 */
function truncateJournal(file: DatabaseFile): boolean {
  return file.get("PRAGMA wal_checkpoint(TRUNCATE)")?.busy === 0;
}

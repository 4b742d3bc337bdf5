// Erases text that SQLite leaves in the unused space of its pages. When SQLite splits or merges
// pages, it leaves copies of the moved rows behind, even with secure_delete, and deleting a row
// later does not erase them (file format: https://www.sqlite.org/fileformat2.html).

import { Buffer } from "node:buffer";

const pageBytes = 4_096;
const zeros = new Uint8Array(pageBytes);
/** Pages read at once. Allocating a larger buffer would take longer than reading the pages. */
const chunkPages = 128;
/** Max pages that one step writes, which takes longer than reading them. */
const maxWrites = 256;
/** The database header, before the b-tree header of the first page. */
const databaseHeaderBytes = 100;
/** SQLite never uses the page at this byte. */
const pendingByte = 0x40000000;
/** Distance between pointer maps: pages without unused space to erase. */
const mapInterval = pageBytes / 5 + 1 | 0;
/** First byte of b-tree pages: interior and leaf pages of indexes and tables. */
const pageTypes: ReadonlySet<number> = new Set([2, 5, 10, 13]);

/** Walks through the pages of a database in a circle. */
export class FreeSpace {
  readonly #file: Deno.FsFile;
  readonly #buffer = new Uint8Array(chunkPages * pageBytes);
  #next = 0;
  #left = 0;

  /**
   * Opens the file and starts a walk. Close it only after SQLite has closed it: on POSIX systems,
   * closing any handle of a file drops the locks that the process has on it.
   */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { read: true, write: true });
    this.restart();
  }

  /** Starts a walk through all pages, from the current one. */
  restart(): void {
    this.#left = this.#pageCount;
  }

  /**
   * Erases the unused space of up to `max` pages. The journal and SQLite's cache must be empty, or
   * SQLite would write its own copies of these pages later. Returns whether the walk continues.
   */
  erase(max: number): boolean {
    let writes = 0;
    for (let end = Math.min(max, this.#left); end > 0 && writes < maxWrites;) {
      const count = this.#pageCount;
      if (this.#next >= count) this.#next = 0;
      const pages = Math.min(chunkPages, end, count - this.#next);
      if (pages === 0) break;
      writes += this.#eraseChunk(pages);
      this.#next += pages;
      this.#left -= pages;
      end -= pages;
    }
    if (this.#left <= 0) this.#file.syncDataSync();
    return this.#left > 0;
  }

  /** Erases the unused space of the next pages. Returns how many of them it has written. */
  #eraseChunk(pages: number): number {
    const bytes = this.#buffer.subarray(0, pages * pageBytes);
    const start = this.#next * pageBytes;
    this.#file.seekSync(start, Deno.SeekMode.Start);
    for (let read = 0; read < bytes.length;) {
      const count = this.#file.readSync(bytes.subarray(read));
      if (count === null) bytes.fill(0, read);
      read += count ?? bytes.length;
    }
    let writes = 0;
    for (let i = 0; i < pages; i++) {
      const at = i * pageBytes;
      const gap = gapOf(bytes.subarray(at, at + pageBytes), this.#next + i);
      if (gap === undefined || isZero(gap)) continue;
      writes++;
      this.#file.seekSync(start + gap.byteOffset, Deno.SeekMode.Start);
      for (let rest = gap.fill(0); rest.length > 0;) {
        rest = rest.subarray(this.#file.writeSync(rest));
      }
    }
    return writes;
  }

  close(): void {
    this.#file.close();
  }

  get #pageCount(): number {
    return Math.floor(this.#file.statSync().size / pageBytes);
  }
}

/** Returns the bytes between the cell pointers and the cells of a page, counted from 0. */
function gapOf(page: Uint8Array, index: number): Uint8Array | undefined {
  const isMap = index % mapInterval === 1 || (index - 1) % mapInterval === 1;
  if (isMap || index === pendingByte / pageBytes) return undefined;
  const header = index === 0 ? databaseHeaderBytes : 0;
  const type = page[header] ?? 0;
  if (!pageTypes.has(type)) return undefined;
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const cellCount = view.getUint16(header + 3);
  const headerBytes = type < 10 ? 12 : 8;
  const start = header + headerBytes + 2 * cellCount;
  const end = view.getUint16(header + 5);
  return start < end && end <= pageBytes ? page.subarray(start, end) : undefined;
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0;
}

// Types of @std/http/etag 1.0, written for the code on npm, which has none.

/** What a tag is made of for a file; `Deno.FileInfo` is such. */
export interface FileInfo {
  /** When it was changed; without it there is no tag. */
  mtime: Date | null;
  /** In bytes. */
  size: number;
}

/** How a tag is made. */
export interface ETagOptions {
  /** SHA-256 by default. */
  algorithm?: AlgorithmIdentifier;
  /** Whether the tag says "as good as equal"; by default for files only. */
  weak?: boolean;
}

/** Tag of a text or of bytes. */
export function eTag(entity: string | Uint8Array, options?: ETagOptions): Promise<string>;
/** Tag of a file, if it is known when it was changed. */
export function eTag(entity: FileInfo, options?: ETagOptions): Promise<string | undefined>;
/** Whether `If-Match` of that value lets a request go on; weak tags never do. */
export function ifMatch(value: string | null, etag: string | undefined): boolean;
/** Whether `If-None-Match` of that value lets a request go on; if not, the answer is 304. */
export function ifNoneMatch(value: string | null, etag: string | undefined): boolean;

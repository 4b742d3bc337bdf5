// Types of @std/http/etag 1.1.3 for the untyped code on npm.

/** The part of `Deno.FileInfo` from which an ETag is computed. */
export interface FileInfo {
  /** Time of the last change; without it there is no ETag. */
  mtime: Date | null;
  /** In bytes. */
  size: number;
}

/** How an ETag is computed. */
export interface ETagOptions {
  /** Default: SHA-256. */
  algorithm?: AlgorithmIdentifier;
  /** Whether the ETag is weak. Default: true for files only. */
  weak?: boolean;
}

/** Returns the ETag of text or bytes. */
export function eTag(
  entity: string | Uint8Array<ArrayBuffer>,
  options?: ETagOptions,
): Promise<string>;
/** Returns the ETag of a file, if its modification time is known. */
export function eTag(entity: FileInfo, options?: ETagOptions): Promise<string | undefined>;
/** Returns true if `If-Match` allows the request. Weak ETags never match. */
export function ifMatch(value: string | null, etag: string | undefined): boolean;
/** Returns true if `If-None-Match` allows the request; otherwise the response is 304. */
export function ifNoneMatch(value: string | null, etag: string | undefined): boolean;

// Types of @std/path 1.1.6 for the untyped code on npm.

/** The parts of a path. */
export interface ParsedPath {
  /** `/` or a drive if the path is absolute. */
  root: string;
  /** Everything before the last part. */
  dir: string;
  /** The last part. */
  base: string;
  /** The extension of the last part, with its dot. */
  ext: string;
  /** The last part without its extension. */
  name: string;
}

/** How globs are interpreted. */
export interface GlobOptions {
  /** Whether extended patterns such as `*(a|b)` are supported. Default: true. */
  extended?: boolean;
  /** Whether `**` matches any number of directories. Default: true. */
  globstar?: boolean;
  /** Default: false. */
  caseInsensitive?: boolean;
}

/** Separates the paths of a list. */
export const DELIMITER: ":" | ";";
/** Separates the parts of a path. */
export const SEPARATOR: "/" | "\\";
/** Matches one or more separators. */
export const SEPARATOR_PATTERN: RegExp;

/** Returns the last part of a path, without `suffix`. */
export function basename(path: string | URL, suffix?: string): string;
/** Returns the common directory of all paths with its separator, or an empty string. */
export function common(paths: string[]): string;
/** Returns everything before the last part of a path, or `.`. */
export function dirname(path: string | URL): string;
/** Returns the extension of a path with its dot, or an empty string. */
export function extname(path: string | URL): string;
/** Returns the path made of the given parts. */
export function format(pathObject: Partial<ParsedPath>): string;
/** Returns the path of a file URL. Throws a `TypeError` for other URLs. */
export function fromFileUrl(url: string | URL): string;
/** Returns a regular expression that matches the paths of a glob. */
export function globToRegExp(glob: string, options?: GlobOptions): RegExp;
/** Returns true if a path starts at a root. */
export function isAbsolute(path: string): boolean;
/** Returns true if a string contains glob syntax. */
export function isGlob(str: string): boolean;
/** Joins paths and normalizes the result. */
export function join(path: string | URL, ...paths: string[]): string;
/** Joins globs and normalizes the result, without resolving `**` and `..` against each other. */
export function joinGlobs(globs: string[], options?: GlobOptions): string;
/** Resolves `.`, `..` and repeated separators in a path. */
export function normalize(path: string | URL): string;
/** Normalizes a glob, without resolving `**` and `..` against each other. */
export function normalizeGlob(glob: string, options?: GlobOptions): string;
/** Returns the parts of a path. */
export function parse(path: string): ParsedPath;
/** Returns the relative path from one path to another; both are resolved first. */
export function relative(from: string, to: string): string;
/** Resolves segments from right to left to an absolute path. */
export function resolve(...pathSegments: string[]): string;
/** Returns the file URL of an absolute path. Throws a `TypeError` for a relative one. */
export function toFileUrl(path: string): URL;
/** Returns a namespaced path on Windows, and the path itself elsewhere. */
export function toNamespacedPath(path: string): string;

// Types of @std/path 1.0, written for the code on npm, which has none.

/** What a path is made of. */
export interface ParsedPath {
  /** `/` or a drive, if the path is absolute. */
  root: string;
  /** All but the last part. */
  dir: string;
  /** The last part. */
  base: string;
  /** Extension of the last part, with its dot. */
  ext: string;
  /** The last part without its extension. */
  name: string;
}

/** Which globs there are. */
export interface GlobOptions {
  /** Whether `?(a)`, `*(a)` and the like mean something; they do by default. */
  extended?: boolean;
  /** Whether `**` means any number of directories; it does by default. */
  globstar?: boolean;
}

/** Which globs there are, and how they match. */
export interface GlobToRegExpOptions extends GlobOptions {
  /** Whether upper and lower case are the same; they are not by default. */
  caseInsensitive?: boolean;
}

/** What stands between two paths in a list: `:` or `;`. */
export const DELIMITER: ":" | ";";
/** What stands between two parts of a path: `/` or `\`. */
export const SEPARATOR: "/" | "\\";
/** One separator or several. */
export const SEPARATOR_PATTERN: RegExp;

/** The last part of `path`, without `suffix` if it ends so. */
export function basename(path: string, suffix?: string): string;
/** The directory that all of `paths` begin with, with its separator, or "". */
export function common(paths: string[]): string;
/** All of `path` but its last part, or `.`. */
export function dirname(path: string): string;
/** The extension of `path` with its dot, or "". */
export function extname(path: string): string;
/** The path that is made of these parts. */
export function format(pathObject: Partial<ParsedPath>): string;
/** Path of a file URL. Throws a `TypeError` if it is of another kind. */
export function fromFileUrl(url: URL | string): string;
/** A pattern for the paths that `glob` means. */
export function globToRegExp(glob: string, options?: GlobToRegExpOptions): RegExp;
/** Whether `path` begins at a root. */
export function isAbsolute(path: string): boolean;
/** Whether `str` means more than itself as a glob. */
export function isGlob(str: string): boolean;
/** `paths` one after the other, normalized. */
export function join(...paths: string[]): string;
/** The same for globs, where `**` and `..` do not cancel each other. */
export function joinGlobs(globs: string[], options?: GlobOptions): string;
/** `path` without `.`, `..` (as far as it can be) and repeated separators. */
export function normalize(path: string): string;
/** The same for globs, where `**` and `..` do not cancel each other. */
export function normalizeGlob(glob: string, options?: GlobOptions): string;
/** The parts of `path`. */
export function parse(path: string): ParsedPath;
/** How to get from one path to the other; both are resolved first. */
export function relative(from: string, to: string): string;
/** The absolute path that `pathSegments` lead to, from right to left, from the working directory if need be. */
export function resolve(...pathSegments: string[]): string;
/** File URL of an absolute path. Throws a `TypeError` if it is not absolute. */
export function toFileUrl(path: string): URL;
/** `path` for Windows' own interfaces; elsewhere as it is. */
export function toNamespacedPath(path: string): string;

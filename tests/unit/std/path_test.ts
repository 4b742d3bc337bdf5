// The public API of @std/path. Every test passes on upstream's package too.

import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  basename,
  common,
  DELIMITER,
  dirname,
  extname,
  format,
  fromFileUrl,
  globToRegExp,
  isAbsolute,
  isGlob,
  join,
  joinGlobs,
  normalize,
  normalizeGlob,
  parse,
  type ParsedPath,
  relative,
  resolve,
  SEPARATOR,
  SEPARATOR_PATTERN,
  toFileUrl,
  toNamespacedPath,
} from "@std/path";
import { join as joinAlone } from "@std/path/join";
import * as posix from "@std/path/posix";
import * as windows from "@std/path/windows";

Deno.test("@std/path splits and joins paths", () => {
  const path: string = join("a", "..", "b", "c.txt");
  assertEquals(path, `b${SEPARATOR}c.txt`);
  assertEquals([dirname(path), basename(path), extname(path)], ["b", "c.txt", ".txt"]);
  const parsed: ParsedPath = parse(path);
  assertEquals(parsed, { root: "", dir: "b", base: "c.txt", ext: ".txt", name: "c" });
  assertEquals(format(parsed), path);
  assertEquals(normalize("a//./b"), join("a", "b"));
  assertEquals(SEPARATOR_PATTERN.test(path), true);
  assertEquals(DELIMITER.length, 1);
});

Deno.test("@std/path handles absolute paths and file URLs", () => {
  const root = resolve("/some/where");
  assert(isAbsolute(root));
  assertEquals(fromFileUrl(toFileUrl(root)), root);
  assertEquals(relative(root, resolve(root, "else", "..", "there")), "there");
  assertEquals(common([join("a", "b"), join("a", "c")]), `a${SEPARATOR}`);
  assertEquals(toNamespacedPath("a"), "a");
});

Deno.test("@std/path handles globs", () => {
  assert(isGlob("*.ts"));
  assertFalse(isGlob("a.ts"));
  const pattern: RegExp = globToRegExp("**/*.TS", { caseInsensitive: true });
  assert(pattern.test(join("a", "b.ts")));
  assertEquals(joinGlobs(["a", "**"], { globstar: true }), join("a", "**"));
  assertEquals(normalizeGlob("**/./a"), join("**", "a"));
});

Deno.test("@std/path/posix and @std/path/windows don't depend on the system", () => {
  assertEquals([posix.join("a", "b"), windows.join("a", "b")], ["a/b", "a\\b"]);
  assert(joinAlone === join);
});

// Checks that comments and prose wrap at 100 columns, which the formatter enforces only for code.

import { assert, assertEquals } from "@std/assert";

const root = new URL("../../../", import.meta.url);
const folders = ["app", "bench", "docs", "scripts", "static", "std", "tests"];
/** Folders of generated files. */
const generated = ["dist", "node_modules"];
const comment = /^\s*(?:\/\/|\/?\*|--|#|<!--)|\s\/\/ /;

/** Yields the paths of the text files in a folder and its subfolders. */
function* textFiles(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory && !generated.includes(name)) yield* textFiles(`${folder}${name}/`);
    else if (isText(name)) yield folder + name;
  }
}

function isText(name: string): boolean {
  return /\.(?:conf|css|html|js|lua|md|mjs|py|service|ts|yml)$|^Dockerfile$|^parley/.test(name);
}

/**
 * Returns the numbers of lines over 100 characters. Only code, tables, HTML and single words such
 * as addresses may be longer.
 */
function longLines(path: string, text: string): number[] {
  const isProse = path.endsWith(".md");
  let isCode = !isProse;
  return text.split("\n").flatMap((line, index) => {
    if (isProse && /^\s*```/.test(line)) isCode = !isCode;
    const isWrapped = isCode ? comment.test(line) : !/^\s*[|<]/.test(line);
    return isWrapped && [...line].length > 100 && /\S\s+\S.* /.test(line) ? [index + 1] : [];
  });
}

Deno.test("comments and prose have at most 100 columns", () => {
  const paths = [
    ...[...Deno.readDirSync(root)].map(({ name }) => name).filter(isText),
    ...folders.flatMap((folder) => [...textFiles(`${folder}/`)]),
  ];
  assert(paths.includes("app/broker/redis/append.lua") && paths.includes("docs/http.md"));
  const long = paths.flatMap((path) =>
    longLines(path, Deno.readTextFileSync(new URL(path, root))).map((line) => `${path}:${line}`)
  );
  assertEquals(long, []);
  const words = "word ".repeat(21);
  assertEquals(longLines("a.ts", `// ${words}\ncall("${words}"); // why\ncall("${words}");`), [
    1,
    2,
  ]);
  assertEquals(longLines("a.md", `${words}\n| ${words}\n- https://${"a".repeat(99)}`), [1]);
});

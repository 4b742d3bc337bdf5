// Checks that the links, anchors, tasks and files named in the docs exist, and that the README
// stays short.

import { assert, assertEquals } from "@std/assert";
import denoJson from "../../../deno.json" with { type: "json" };

const root = new URL("../../../", import.meta.url);
const documents = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "SPEC.md",
  "std/README.md",
  "tests/README.md",
  ...[...Deno.readDirSync(new URL("docs/", root))]
    .filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => `docs/${name}`),
];
/** A path below one of the repository's folders, as written in prose. */
const filePattern =
  /(?<![/\w])(?:app|bench|docs|scripts|static\/client|support|system|tests|unit)\/[\w./-]*\w/g;

for (const path of documents) {
  const text = Deno.readTextFileSync(new URL(path, root));

  Deno.test(`${path} links to files and headings that exist`, () => {
    // Skips code, which may contain link syntax as an example.
    const prose = text.replace(/^```.*?^```|`[^`\n]*`/gms, "");
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(([, link, src]) =>
      link ?? src ?? ""
    );
    for (const link of links.filter((link) => !/^https?:/.test(link))) {
      const [target = "", anchor] = link.split("#");
      const url = target === "" ? new URL(path, root) : new URL(target, new URL(path, root));
      assert(exists(url), `${path}: ${link}`);
      if (anchor === undefined) continue;
      assert(anchorsOf(Deno.readTextFileSync(url)).includes(anchor), `${path}: ${link}`);
    }
  });

  Deno.test(`${path} names tasks and folders that exist`, () => {
    for (const [, task = ""] of text.matchAll(/deno(?:@[\d.]+)? task (?:-q )?([a-z][a-z-]*)/g)) {
      assert(Object.hasOwn(denoJson.tasks, task), `${path}: deno task ${task}`);
    }
    for (const [file] of text.matchAll(filePattern)) {
      const isHere = exists(new URL(file, root)) || exists(new URL(file, new URL(path, root)));
      assert(isHere, `${path}: ${file}`);
    }
  });
}

Deno.test("README.md has at most 120 lines", () => {
  const lines = Deno.readTextFileSync(new URL("README.md", root)).trimEnd().split("\n").length;
  assert(lines <= 120, `${lines} lines`);
});

Deno.test("README.md and CONTRIBUTING.md name the same Deno version", () => {
  const versions = ["README.md", "CONTRIBUTING.md"].map((path) =>
    /\[Deno\]\(https:\/\/deno\.com\) (\S+)/.exec(Deno.readTextFileSync(new URL(path, root)))?.[1]
  );
  assertEquals(versions[0], versions[1]);
});

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}

/** Returns the anchors that GitHub and Forgejo generate for the headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

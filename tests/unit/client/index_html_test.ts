import { assert, assertEquals } from "@std/assert";
import { brotliCompressSync, constants } from "node:zlib";
import { readScripts } from "../../../app/web/assets.ts";

const root = new URL("../../../static/", import.meta.url);

Deno.test("byId() knows of each element what the page's file says that it is", async () => {
  const html = await Deno.readTextFile(new URL("index.html", root));
  const source = await Deno.readTextFile(new URL("client/views/dom.ts", root));
  const tags = new Map(
    [...html.matchAll(/<(\w+)[^>]*?\sid="([^"]+)"/g)].map(([, tag, id]) => [id, tag]),
  );
  const [list = ""] = /interface PageTags \{[^}]*/.exec(source) ?? [];
  const known = [...list.matchAll(/readonly "?([\w-]+)"?: "(\w+)"/g)];
  assertEquals(known.map(([, id]) => tags.get(id)), known.map(([, , tag]) => tag));
  assert(known.length > 30);
});

function sizeOf(bytes: Uint8Array): number {
  return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
}

Deno.test("the page's first scripts are at most 16 KB, in every language, and its style 5 KB", async () => {
  const scripts = await readScripts({ staticDir: root.pathname, dev: false, basePath: "" });
  const languages = Object.keys(scripts).filter((name) => name.startsWith("words"));
  assertEquals(languages.length, 2);
  for (const name of languages) {
    const size = sizeOf(scripts["main.js"] ?? new Uint8Array()) +
      sizeOf(scripts[name] ?? new Uint8Array());
    assert(size <= 16 * 1024, `${size} bytes with ${name}`);
  }
  const style = sizeOf(await Deno.readFile(new URL("style.css", root)));
  assert(style <= 5 * 1024, `${style} bytes`);
});

// The page's HTML, and the size of its first load.

import { assert, assertEquals } from "@std/assert";
import { brotliCompressSync, constants } from "node:zlib";
import { readScripts, staticImports } from "../../../app/web/assets.ts";

const root = new URL("../../../static/", import.meta.url);

Deno.test("byId() is called with tags and ids that index.html has", async () => {
  const html = await Deno.readTextFile(new URL("index.html", root));
  const elements = [...html.matchAll(/<(\w+)[^>]*?\sid="([^"]+)"/g)]
    .map(([, tag, id]) => `${tag}#${id}`);
  const views = new URL("client/views/", root);
  const names = Array.from(Deno.readDirSync(views), ({ name }) => `views/${name}`);
  const sources = await Promise.all(
    [...names, "main.ts"].map((name) => Deno.readTextFile(new URL(`client/${name}`, root))),
  );
  const found = sources.flatMap((source) =>
    [...source.matchAll(/byId<"(\w+)">\(\s*"([^"]+)"/g)].map(([, tag, id]) => `${tag}#${id}`)
  );
  assert(!sources.join().includes("byId("), "every call names its tag");
  assertEquals(found.filter((selector) => !elements.includes(selector)), []);
  assert(new Set(found).size > 30);
});

Deno.test("index.html has no disabled button that Firefox would enable on a reload", async () => {
  const html = await Deno.readTextFile(new URL("index.html", root));
  const disabled = [...html.matchAll(/<button[^>]*\sdisabled>/g)].map(([tag]) => tag);
  assertEquals(disabled.length, 1);
  assertEquals(disabled.filter((tag) => !tag.includes(' autocomplete="off"')), []);
});

Deno.test("index.html fetches the manifest with credentials, which a proxy may ask for", async () => {
  const html = await Deno.readTextFile(new URL("index.html", root));
  assert(/<link rel="manifest"[^>]* crossorigin="use-credentials">/.test(html));
});

/** Returns index.html and the views' sources. */
async function htmlAndViews(): Promise<string> {
  const views = new URL("client/views/", root);
  const files = Array.from(Deno.readDirSync(views), ({ name }) => new URL(name, views));
  const sources = [new URL("index.html", root), ...files].map((file) => Deno.readTextFile(file));
  return (await Promise.all(sources)).join("\n");
}

Deno.test("lists have a role, since Safari gives none to lists without bullets", async () => {
  const lists = (await htmlAndViews()).match(/<ul\b[^>]*>|element\("ul"[^)]*\)/g) ?? [];
  assert(lists.length > 5);
  assertEquals(lists.filter((list) => !/\brole(="|: ")list/.test(list)), []);
});

Deno.test("fields for names have no autocorrection, which phones apply without asking", async () => {
  const source = await htmlAndViews();
  const fields = source.match(/<input\b[^>]*>|element\("input", \{[^}]*\}\)/g) ?? [];
  const names = fields.filter((field) => /spellcheck(="|: ")false"/.test(field));
  assertEquals(names.length, 4);
  assertEquals(names.filter((field) => !/autocorrect(="|: ")off"/.test(field)), []);
});

Deno.test("style.css sets text in rem, so that it follows the browser's font size", async () => {
  const css = await Deno.readTextFile(new URL("style.css", root));
  const sizes = [...css.matchAll(/\bfont(?:-size)?:\s*([^;]+);/g)].map(([, value = ""]) => value)
    .filter((value) => value !== "inherit");
  assert(sizes.length > 30);
  // 1px hides text from all but screen readers.
  assertEquals(sizes.filter((value) => !/\d?rem\b/.test(value) && value !== "1px"), []);
});

function sizeOf(bytes: Uint8Array): number {
  return brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
}

Deno.test("the first scripts are at most 16 KB in every language, and the styles 5 KB", async () => {
  const scripts = await readScripts({ staticDir: root.pathname, dev: false, basePath: "" });
  const sizes = Object.entries(scripts).map(([name, bytes]) => [name, sizeOf(bytes)] as const);
  const languages = sizes.filter(([name]) => name.startsWith("words"));
  const imported = staticImports(scripts, "main.js");
  const loaded = sizes.filter(([name]) => name === "main.js" || imported.has(name));
  const theme = sizeOf(await Deno.readFile(new URL("theme.js", root)));
  const first = loaded.reduce((total, [, size]) => total + size, theme);
  assertEquals(languages.length, 2);
  for (const [name, size] of languages) {
    assert(first + size <= 16 * 1024, `${first + size} bytes with ${name}`);
  }
  const style = sizeOf(await Deno.readFile(new URL("style.css", root)));
  assert(style <= 5 * 1024, `${style} bytes`);
});

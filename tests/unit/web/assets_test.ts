// The page's files: paths, bundles and compression.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { loadAssets } from "../../../app/web/assets.ts";
import type { Asset } from "../../../app/web/assets.ts";
import { staticFolder } from "../../support/web_harness.ts";

const clientMain = "client/main.ts";

function textOf(asset: Asset | undefined): string {
  assert(asset !== undefined);
  return new TextDecoder().decode(asset.bytes);
}

function referenceIn(text: string, pattern: RegExp): string {
  const found = text.match(pattern)?.[1];
  assert(found !== undefined, `${pattern} is not in ${text}`);
  return found;
}

async function load(path: string, options: { dev?: boolean; basePath?: string } = {}) {
  return await loadAssets({ staticDir: path, dev: false, basePath: "", bundled: true, ...options });
}

Deno.test("loadAssets() puts content hashes into the references of the page and the manifest", async () => {
  await using dir = await staticFolder();
  const assets = await load(dir.path);
  const page = textOf(assets.get("/"));
  const manifest = textOf(assets.get("/manifest.webmanifest"));
  for (
    const [path, type] of [
      [referenceIn(page, /src="(\/assets\/main\.[0-9a-f]{12}\.js)"/), "text/javascript"],
      [referenceIn(page, /href="(\/assets\/style\.[0-9a-f]{12}\.css)"/), "text/css"],
      [referenceIn(manifest, /"src":"(\/assets\/icon\.[0-9a-f]{12}\.svg)"/), "image/svg+xml"],
    ] as const
  ) {
    const asset = assets.get(path);
    assert(asset?.immutable);
    assertStringIncludes(asset.type, type);
  }
  assertEquals(assets.get("/")?.immutable, false);
});

Deno.test("loadAssets() changes path and ETag with the content", async () => {
  await using dir = await staticFolder();
  const before = await load(dir.path);
  await Deno.writeTextFile(`${dir.path}/style.css`, "body { margin: 1px }");
  const after = await load(dir.path);
  const name = /(\/assets\/style\.[^"]*)/;
  const old = referenceIn(textOf(before.get("/")), name);
  assert(referenceIn(textOf(after.get("/")), name) !== old);
  assertEquals(after.get(old), undefined);
  assert(before.get("/")?.etag !== after.get("/")?.etag);
});

Deno.test("loadAssets() also serves files by their plain names, without caching them", async () => {
  await using dir = await staticFolder({ "robots.txt": "User-agent: *" });
  const assets = await load(dir.path);
  assertEquals(assets.get("/assets/icon.svg")?.immutable, false);
  assertEquals(textOf(assets.get("/assets/robots.txt")), "User-agent: *");
});

Deno.test("loadAssets() leaves out folders, hidden files and sources", async () => {
  await using dir = await staticFolder({ ".env": "SECRET=1", [clientMain]: "" });
  const assets = await load(dir.path);
  for (const path of ["/assets/.env", "/assets/client/main.ts", "/assets/dist/main.js"]) {
    assertEquals(assets.get(path), undefined);
  }
});

Deno.test("loadAssets() prefixes every reference with the base path", async () => {
  await using dir = await staticFolder();
  const assets = await load(dir.path, { basePath: "/talk" });
  const page = textOf(assets.get("/"));
  const manifest = textOf(assets.get("/manifest.webmanifest"));
  assertEquals(page.match(/(src|href)="\/(?!talk\/)/), null);
  assertStringIncludes(page, `href="/talk/manifest.webmanifest"`);
  assertStringIncludes(manifest, `"start_url":"/talk/"`);
  assertStringIncludes(manifest, `"src":"/talk/assets/icon.`);
});

Deno.test("loadAssets() bundles and minifies the scripts", async () => {
  await using dir = await staticFolder({
    [clientMain]:
      `import { greeting } from "./words.ts";\nconst text: string = greeting;\nalert(text);`,
    "client/words.ts": `export const greeting = "good morning";`,
  });
  const assets = await loadAssets({ staticDir: dir.path, dev: false, basePath: "" });
  const script = textOf(assets.get("/assets/main.js"));
  assertStringIncludes(script, "good morning");
  assertEquals(script.match(/import|: string|sourceMappingURL|EventSource/), null);
});

Deno.test("loadAssets() uses dist if there are no script sources", async () => {
  await using dir = await staticFolder({
    "dist/main.js": "alert('built before')",
    [clientMain]: "",
  });
  const plain = { staticDir: dir.path, dev: false, basePath: "" };
  const fresh = await loadAssets(plain);
  await Deno.remove(`${dir.path}/${clientMain}`);
  const built = await loadAssets(plain);
  assertEquals(textOf(fresh.get("/assets/main.js")).includes("built before"), false);
  assertEquals(textOf(built.get("/assets/main.js")), "alert('built before')");
});

Deno.test("loadAssets() adds a source map and a reloader in development", async () => {
  await using dir = await staticFolder({ [clientMain]: `alert("hello");` });
  const assets = await loadAssets({ staticDir: dir.path, dev: true, basePath: "/talk" });
  const script = textOf(assets.get("/assets/main.js"));
  assertStringIncludes(script, "sourceMappingURL=data:");
  assertStringIncludes(script, `fetch("/talk/dev/start")`);
});

Deno.test("loadAssets() throws for a syntax error or an unresolved import, and says where", async () => {
  await using dir = await staticFolder();
  for (
    const [source, message] of [
      ["alert(", "SyntaxError"],
      [`import "./missing.ts";`, "missing.ts"],
    ] as const
  ) {
    await Deno.mkdir(`${dir.path}/client`, { recursive: true });
    await Deno.writeTextFile(`${dir.path}/${clientMain}`, source);
    const error = await assertRejects(
      () => loadAssets({ staticDir: dir.path, dev: false, basePath: "" }),
      Error,
      `Cannot bundle ${dir.path}/${clientMain}: `,
    );
    assertStringIncludes(error.message, message);
    assertEquals(error.message.includes("\x1b"), false);
  }
});

Deno.test("loadAssets() serves lazily loaded scripts by the names that other scripts import", async () => {
  await using dir = await staticFolder({
    [clientMain]: `const { greeting } = await import("./later.ts");\nalert(greeting);`,
    "client/later.ts": `export const greeting = "${"good morning ".repeat(100)}";`,
  });
  const assets = await loadAssets({ staticDir: dir.path, dev: false, basePath: "/talk" });
  const main = textOf(assets.get("/assets/main.js"));
  assertEquals(main.includes("good morning"), false);
  const later = assets.get(`/assets/${referenceIn(main, /import\("\.\/(later-[^"]*\.js)"\)/)}`);
  assertStringIncludes(textOf(later), "good morning");
  assertEquals([later?.immutable, later?.isCompressible], [true, true]);
});

Deno.test("loadAssets() preloads the static imports of main.js, and nothing else", async () => {
  await using dir = await staticFolder({
    [clientMain]: `import { name } from "./shared.ts";\nawait import("./later.ts");\nalert(name);`,
    "client/later.ts": `import { name } from "./shared.ts";\nalert(\`later: \${name}\`);`,
    "client/shared.ts": `export const name = crypto.randomUUID();`,
  });
  const assets = await loadAssets({ staticDir: dir.path, dev: false, basePath: "/talk" });
  const page = textOf(assets.get("/"));
  const [[, path = ""] = [], ...others] = [
    ...page.matchAll(/<link rel="modulepreload" href="\/talk([^"]*)">/g),
  ];
  assertStringIncludes(textOf(assets.get(path)), "randomUUID");
  assertEquals(others, []);
});

Deno.test("loadAssets() lists the page's files in the service worker, which changes with any of them", async () => {
  await using dir = await staticFolder({ "dist/service_worker.js": "work();", "icon.png": "" });
  const worker = async () =>
    (await load(dir.path, { basePath: "/talk" })).get("/service_worker.js");
  const before = await worker();
  const [, json = ""] = /^self\.shell=(.*);\nwork\(\);$/.exec(textOf(before)) ?? [];
  const { paths } = JSON.parse(json);
  assertEquals(paths.map((path: string) => path.replace(/\.[0-9a-f]{12}/, "")).toSorted(), [
    "/talk/",
    "/talk/assets/icon.svg",
    "/talk/assets/main.js",
    "/talk/assets/style.css",
  ]);
  assertEquals([paths[0], before?.immutable], ["/talk/", false]);
  await Deno.writeTextFile(`${dir.path}/style.css`, "body { margin: 1px }");
  assert(textOf(await worker()) !== textOf(before));
});

Deno.test("Asset.encode() compresses a text file, once for both paths of a file", async () => {
  await using dir = await staticFolder();
  const assets = await load(dir.path);
  const plain = assets.get("/assets/main.js");
  assert(plain !== undefined && plain.isCompressible);
  const [br, gzip] = await Promise.all([plain.encode("br"), plain.encode("gzip")]);
  assert(br.length < plain.bytes.length);
  assertEquals(new Uint8Array(brotliDecompressSync(br)), plain.bytes);
  assertEquals(new Uint8Array(gunzipSync(gzip)), plain.bytes);
  const hashed = assets.get(referenceIn(textOf(assets.get("/")), /src="([^"]*)"/));
  assertStrictEquals(await hashed?.encode("br"), br);
  assertEquals(assets.get("/assets/icon.svg")?.isCompressible, false);
});

Deno.test("loadAssets() puts the chat's title into the page and the manifest", async () => {
  await using dir = await staticFolder({
    "index.html": "<head><title>Parley</title></head><p>Parley</p>",
    "manifest.webmanifest": `{"name":"Parley"}`,
  });
  const options = { staticDir: dir.path, dev: false, basePath: "", bundled: true };
  const assets = await loadAssets({ ...options, title: `Tea & "$&" <3` });
  const escaped = "Tea &#38; &#34;$&#38;&#34; &#60;3";
  assertStringIncludes(textOf(assets.get("/")), `<title>${escaped}</title>`);
  assertStringIncludes(textOf(assets.get("/")), `<p>${escaped}</p>`);
  const manifest = JSON.parse(textOf(assets.get("/manifest.webmanifest")));
  assertEquals([manifest.name, assets.title], [`Tea & "$&" <3`, escaped]);
});

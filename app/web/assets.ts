// The page's files: bundled, named by their content hash, and kept in memory.

import { createHash } from "node:crypto";
import { promisify, stripVTControlCharacters } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { basename, extname, join, parse } from "@std/path";
import type { Config } from "../core/config.ts";
import { fileInfo } from "../core/file_info.ts";
import { escapeHtml } from "./html.ts";

/** The encodings of files, in order of preference. */
export const encodings = ["br", "gzip"] as const;
export type Encoding = (typeof encodings)[number];

/** A file, and how to compress it. */
export interface Asset {
  readonly bytes: Bytes;
  readonly type: string;
  /** Weak, because all encodings share it. */
  readonly etag: string;
  /** True if the path contains the content's hash, so that browsers can cache it forever. */
  readonly immutable: boolean;
  /** Whether `encode` makes the file smaller. */
  readonly isCompressible: boolean;
  /**
   * Returns the compressed file. The first call compresses it, which blocks the server for up to
   * 60 ms. Compressing all files at the start would delay clients that reconnect after a restart.
   */
  encode(encoding: Encoding): Promise<Bytes>;
}

type Bytes = Uint8Array<ArrayBuffer>;

export type Assets = Awaited<ReturnType<typeof loadAssets>>;

export interface AssetOptions extends Pick<Config, "basePath" | "dev"> {
  readonly staticDir: string;
  /** Name of the chat; default Parley. */
  readonly title?: string;
  /**
   * Uses the scripts in `dist` instead of bundling. Default: true in a compiled program, which has
   * no bundler, and where the script sources are missing, as in the container.
   */
  readonly bundled?: boolean;
}

const types: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};
const compressible = /^text\/|json$|svg\+xml$/;
/** Files below this size fit into one packet uncompressed. */
const compressMinBytes = 512;
/** Browsers identify a service worker by its path, so it has no hash. */
const workerFile = "service_worker.js";
const encoder = new TextEncoder();

/**
 * Reads and bundles the files in `staticDir`. Each file gets two paths: a plain one, and one with
 * its hash, which the references to it use.
 *
 * @throws {Error} If a file cannot be read or the scripts cannot be bundled.
 */
export async function loadAssets(options: AssetOptions) {
  const { staticDir, basePath, title = "Parley" } = options;
  const assets = new Map<string, Asset>();
  /** Quoted references in the documents, and their replacements. */
  const references = new Map<string, string>();
  const lazyScripts: string[] = [];

  const addFile = (file: string, bytes: Bytes) => {
    const { name, ext } = parse(file);
    const hashedPath = `/assets/${name}.${hashOf(bytes)}${ext}`;
    const asset = assetOf(file, bytes);
    assets.set(`/assets/${file}`, asset);
    assets.set(hashedPath, { ...asset, immutable: true });
    references.set(`"/assets/${file}"`, `"${basePath}${hashedPath}"`);
  };
  const addDocument = async (pathname: string, file: string, head = "") => {
    let text = await Deno.readTextFile(join(staticDir, file));
    for (const [reference, hashed] of references) text = text.replaceAll(reference, hashed);
    for (const path of ["/", "/manifest.webmanifest"]) {
      text = text.replaceAll(`"${path}"`, `"${basePath}${path}"`);
    }
    // The name is between tags in the page, and in quotes in the manifest.
    text = text.replaceAll(">Parley<", () => `>${escapeHtml(title)}<`)
      .replaceAll('"Parley"', () => JSON.stringify(title));
    text = text.replace("</head>", `${head}$&`);
    assets.set(pathname, assetOf(file, encoder.encode(text)));
    return text;
  };

  const documents = ["index.html", "manifest.webmanifest"];
  for await (const { name, isFile } of Deno.readDir(staticDir)) {
    if (!isFile || name.startsWith(".") || documents.includes(name)) continue;
    addFile(name, await Deno.readFile(join(staticDir, name)));
  }
  const { [workerFile]: worker, ...scripts } = await readScripts(options);
  for (const [name, bytes] of Object.entries(scripts)) {
    if (name === "main.js") {
      addFile(name, bytes);
      continue;
    }
    // The bundler has already put a hash into the name, and other scripts import that name.
    assets.set(`/assets/${name}`, { ...assetOf(name, bytes), immutable: true });
    lazyScripts.push(`${basePath}/assets/${name}`);
  }
  // The page loads the static imports of main.js together with it, not after it.
  const preloads = Array.from(
    staticImports(scripts, "main.js"),
    (name) => `<link rel="modulepreload" href="${basePath}/assets/${name}">`,
  );
  await addDocument("/manifest.webmanifest", "manifest.webmanifest");
  const html = await addDocument("/", "index.html", preloads.join(""));
  if (worker !== undefined) {
    const referenced = [...references.values()].filter((path) =>
      html.includes(path) && !path.endsWith('.png"')
    ).map((path) => path.slice(1, -1));
    const paths = [`${basePath}/`, ...referenced, ...lazyScripts];
    // Browsers reinstall a worker when its bytes change. The page's ETag makes them change with it.
    const shell = JSON.stringify({ version: assets.get("/")?.etag, paths });
    const script = `self.shell=${shell};\n${new TextDecoder().decode(worker)}`;
    assets.set(`/${workerFile}`, assetOf(workerFile, encoder.encode(script)));
  }

  return {
    basePath,
    /** Name of the chat, escaped for HTML. */
    title: escapeHtml(title),
    /** Returns the file at `pathname`, without the base path. `/` is the page. */
    get: (pathname: string): Asset | undefined => assets.get(pathname),
  };
}

/**
 * Returns the page's scripts by name: `main.js`, the scripts it loads lazily, and the service
 * worker.
 *
 * @throws {Error} If they cannot be read or bundled.
 */
export async function readScripts(options: AssetOptions): Promise<Record<string, Bytes>> {
  const { staticDir, dev, basePath } = options;
  const files = ["main.ts", "worker/service_worker.ts"].map((name) =>
    join(staticDir, "client", name)
  );
  const sources = files.filter((file) => fileInfo(file)?.isFile);
  const { bundled = Deno.build.standalone || sources[0] !== files[0] } = options;
  const scripts: Record<string, Bytes> = {};
  if (bundled) {
    const dist = join(staticDir, "dist");
    for await (const { name } of Deno.readDir(dist)) {
      scripts[name] = await Deno.readFile(join(dist, name));
    }
    return scripts;
  }
  for (const file of await bundle(sources, dev)) {
    const name = basename(file.path);
    const prefix = dev && name === "main.js" ? reloader(basePath) : "";
    scripts[name] = encoder.encode(prefix + file.text());
  }
  return scripts;
}

/** Returns the scripts that a script needs before it runs: its static imports and theirs. */
export function staticImports(
  scripts: Readonly<Record<string, Bytes>>,
  name: string,
  found: Set<string> = new Set(),
): ReadonlySet<string> {
  const text = new TextDecoder().decode(scripts[name]);
  for (const [, imported = ""] of text.matchAll(/(?:from|import)\s*"\.\/([^"]+)"/g)) {
    if (found.has(imported)) continue;
    found.add(imported);
    staticImports(scripts, imported, found);
  }
  return found;
}

function assetOf(name: string, bytes: Bytes): Asset {
  const type = types[extname(name)] ?? "application/octet-stream";
  const encoded = new Map<Encoding, Promise<Bytes>>();
  return {
    bytes,
    type,
    etag: `W/"${hashOf(bytes)}"`,
    immutable: false,
    isCompressible: compressible.test(type) && bytes.length >= compressMinBytes,
    encode: (encoding) => encoded.getOrInsertComputed(encoding, () => compress(bytes, encoding)),
  };
}

function hashOf(bytes: Bytes): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 12);
}

async function bundle(entrypoints: string[], dev: boolean): Promise<Deno.bundle.OutputFile[]> {
  const result = await Deno.bundle({
    entrypoints,
    outputDir: "dist",
    platform: "browser",
    format: "esm",
    codeSplitting: true,
    minify: !dev,
    ...(dev ? { sourcemap: "inline" } : {}),
    write: false,
  });
  if (result.success) return result.outputFiles ?? [];
  const messages = result.errors.map(({ text }) => stripVTControlCharacters(text));
  throw new Error(`Cannot bundle ${entrypoints[0]}: ${messages.join("\n")}`);
}

/** Reloads the page when the server's start id changes. One line, to keep the source map right. */
function reloader(basePath: string): string {
  return `{let id;setInterval(async()=>{try{const now=await(await fetch("${basePath}/dev/start"))` +
    `.text();if(id!==undefined&&id!==now)location.reload();id=now}catch{}},500)}`;
}

const brotliAsync = promisify(brotliCompress);
const gzipAsync = promisify(gzip);

async function compress(bytes: Bytes, encoding: Encoding): Promise<Bytes> {
  return new Uint8Array(
    encoding === "br"
      ? await brotliAsync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } })
      : await gzipAsync(bytes, { level: 9 }),
  );
}

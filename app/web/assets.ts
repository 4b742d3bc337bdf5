// Everything that the server hands out as a file: bundled, named by its content and kept in memory. No requests are known here.

import { promisify, stripVTControlCharacters } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { basename, extname, join, parse } from "@std/path";

/** What is handed out under one path. */
export interface Asset {
  readonly bytes: Bytes;
  readonly type: string;
  /** Weak, since all encodings share it. */
  readonly etag: string;
  /** True when the path names the content, so that it can be kept for ever. */
  readonly immutable: boolean;
  /** Smaller forms of `bytes`, as far as they are made already. */
  readonly encoded: { br?: Bytes; gzip?: Bytes };
}

type Bytes = Uint8Array<ArrayBuffer>;

/** The files of the page. */
export interface Assets {
  /** Where the page is for a browser: `AssetOptions.basePath`. */
  readonly basePath: string;
  /** What `pathname` stands for; `/` is the page itself. */
  get(pathname: string): Asset | undefined;
  /** Makes the smaller forms, which takes a moment: to be called when the server listens. */
  compress(): Promise<void>;
}

/** Where the files are and how they are prepared. */
export interface AssetOptions {
  readonly staticDir: string;
  /** Readable scripts with a source map, and a page that reloads itself with the server. */
  readonly dev: boolean;
  /** A path that a proxy takes away before it asks this server, without a slash at its end; empty for none. */
  readonly basePath: string;
  /**
   * Whether `dist` is taken instead of bundling. By default in a compiled program, which has no bundler, and where the sources
   * of the scripts were left out, as in the container.
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
/** Less than this is one packet, however it is encoded. */
const compressMinBytes = 512;

/** The script that is asked for by a fixed path, since a browser knows it by that. */
const workerFile = "service_worker.js";

/**
 * Reads and bundles everything in `staticDir`. Each file has two paths: one with its hash, for references, and one without, for
 * who does not know it. The service worker is told which files the page cannot do without.
 *
 * @throws {Error} If a file cannot be read or the scripts cannot be bundled; the message says where and why.
 */
export async function loadAssets(options: AssetOptions): Promise<Assets> {
  const { staticDir, basePath } = options;
  const assets = new Map<string, Asset>();
  const hashedPaths = new Map<string, string>();
  const laterPaths: string[] = [];

  const add = async (file: string, bytes: Bytes) => {
    const { name, ext } = parse(file);
    const hash = await hashOf(bytes);
    const hashedPath = `/assets/${name}.${hash}${ext}`;
    const asset = assetOf(file, bytes, hash);
    assets.set(`/assets/${file}`, asset);
    assets.set(hashedPath, { ...asset, immutable: true });
    hashedPaths.set(`"/assets/${file}"`, `"${basePath}${hashedPath}"`);
  };
  const addDocument = async (pathname: string, file: string) => {
    let text = await Deno.readTextFile(join(staticDir, file));
    for (const [reference, hashed] of hashedPaths) text = text.replaceAll(reference, hashed);
    for (const path of ["/", "/manifest.webmanifest"]) {
      text = text.replaceAll(`"${path}"`, `"${basePath}${path}"`);
    }
    const bytes = new TextEncoder().encode(text);
    const asset = assetOf(file, bytes, await hashOf(bytes));
    assets.set(pathname, asset);
    return asset;
  };

  const documents = ["index.html", "manifest.webmanifest"];
  for await (const { name, isFile } of Deno.readDir(staticDir)) {
    if (!isFile || name.startsWith(".") || documents.includes(name)) continue;
    await add(name, await Deno.readFile(join(staticDir, name)));
  }
  const { [workerFile]: worker, ...scripts } = await readScripts(options);
  for (const [name, bytes] of Object.entries(scripts)) {
    if (name === "main.js") await add(name, bytes);
    else {
      // The bundler has put a hash into the name, and the other scripts ask for it by that.
      const asset = assetOf(name, bytes, await hashOf(bytes));
      assets.set(`/assets/${name}`, { ...asset, immutable: true });
      laterPaths.push(`${basePath}/assets/${name}`);
    }
  }
  await addDocument("/manifest.webmanifest", "manifest.webmanifest");
  const page = await addDocument("/", "index.html");
  if (worker !== undefined) {
    // What the page is made of is in this file, so that a browser sees a new one in its bytes.
    const text = new TextDecoder().decode(page.bytes);
    const named = [...hashedPaths.values()].filter((path) =>
      text.includes(path) && !path.endsWith('.png"')
    );
    const paths = [`${basePath}/`, ...named.map((path) => path.slice(1, -1)), ...laterPaths];
    const told = `self.shell=${JSON.stringify({ version: page.etag, paths })};\n`;
    const bytes = new TextEncoder().encode(told + new TextDecoder().decode(worker));
    assets.set("/service_worker.js", assetOf(workerFile, bytes, await hashOf(bytes)));
  }

  return {
    basePath,
    get: (pathname) => assets.get(pathname),
    async compress() {
      // Both paths of a file share its smaller forms.
      const once = new Map(Array.from(assets.values(), (asset) => [asset.encoded, asset]));
      const texts = [...once.values()].filter(({ type }) => compressible.test(type));
      await Promise.all(texts.map(compress));
    },
  };
}

/**
 * The page's scripts by their names: `main.js`, what it loads besides, and the service worker.
 *
 * @throws {Error} If they cannot be read or bundled.
 */
export async function readScripts(options: AssetOptions): Promise<Record<string, Bytes>> {
  const { staticDir, dev, basePath } = options;
  const sources = join(staticDir, "client");
  const entrypoints = [join(sources, "main.ts"), join(sources, "service_worker.ts")];
  const { bundled = Deno.build.standalone || !await exists(entrypoints[0]) } = options;
  const scripts: Record<string, Bytes> = {};
  if (bundled) {
    const built = join(staticDir, "dist");
    for await (const { name } of Deno.readDir(built)) {
      scripts[name] = await Deno.readFile(join(built, name));
    }
    return scripts;
  }
  const present = [];
  for (const path of entrypoints) if (await exists(path)) present.push(path);
  for (const [name, text] of await bundle(present, dev)) {
    const isMain = dev && name === "main.js";
    scripts[name] = new TextEncoder().encode(isMain ? reloader(basePath) + text : text);
  }
  return scripts;
}

function assetOf(name: string, bytes: Bytes, hash: string): Asset {
  const type = types[extname(name)] ?? "application/octet-stream";
  return { bytes, type, etag: `W/"${hash}"`, immutable: false, encoded: {} };
}

async function exists(path: string | undefined): Promise<boolean> {
  try {
    return path !== undefined && (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

async function bundle(
  entrypoints: string[],
  dev: boolean,
): Promise<[name: string, text: string][]> {
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
  if (result.success) {
    return (result.outputFiles ?? []).map((file) => [basename(file.path), file.text()]);
  }
  const messages = result.errors.map(({ text }) => stripVTControlCharacters(text));
  throw new Error(`Cannot bundle ${entrypoints[0]}: ${messages.join("\n")}`);
}

/** In development: a server that was started anew says another id. On one line, so that the source map stays nearly right. */
function reloader(basePath: string): string {
  return `{let id;new EventSource("${basePath}/dev/reload").onmessage=({data})=>` +
    `{if(id!==undefined&&id!==data)location.reload();id=data}}`;
}

async function hashOf(bytes: Bytes): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return new Uint8Array(digest).toHex().slice(0, 12);
}

const brotliAsync = promisify(brotliCompress);
const gzipAsync = promisify(gzip);

async function compress({ bytes, encoded }: Asset): Promise<void> {
  if (bytes.length < compressMinBytes) return;
  const [br, zipped] = await Promise.all([
    brotliAsync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gzipAsync(bytes, { level: 9 }),
  ]);
  if (br.length < bytes.length) encoded.br = new Uint8Array(br);
  if (zipped.length < bytes.length) encoded.gzip = new Uint8Array(zipped);
}

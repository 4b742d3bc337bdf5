// Fetches packages and the bundler before the server starts, and checks their hashes, so that the
// server itself never contacts a registry. Packages are checked against deno.lock. Deno records no
// hash of esbuild, which Deno.bundle uses, so its published hashes are listed here.

import { join } from "node:path";
import { printError } from "../app/core/console.ts";
import { errorMessage } from "../app/core/error_message.ts";

/** SHA-256 of the program in each npm package @esbuild/{platform}, by version. */
const esbuildHashes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "0.25.5": {
    "linux-x64": "3331e0b23c99d93d9a39e436a4838de40ca1c95ac3bcbd9874ba169d8545b634",
    "linux-arm64": "d6d656d9326ce1c55c01f73604a3cffda35c63cce60016e9ed795ac91cd1e67d",
    "darwin-x64": "e7b2a105f88836f1e080a76180e5cd8e59d1c22f6575d63f5a77a104954c427e",
    "darwin-arm64": "58d144357454bca840167171380785b133b1e5e682d0c51afa8c80158bfd3f8a",
    "win32-x64": "889543031385fb79a28b09a5611a3a03f913beb5a608c7de29390c13f1030994",
    "win32-arm64": "34dd62536675871311e6e0d2bf9917f5671f3ecee695205dc4eaf649947348e7",
  },
};

/**
 * Fetches missing packages and the bundler, and checks the bundler. Does nothing if the page has
 * been built already and its sources are gone, as in the container.
 *
 * @throws {Error} If a package or the bundler cannot be fetched, or the bundler's hash is wrong.
 */
export async function prepare(root = join(import.meta.dirname ?? ".", "..")): Promise<void> {
  const hasSources = (await namesIn(join(root, "static/client"), /^(main\.ts)$/)).length > 0;
  if (!hasSources) return;
  const tasks = [runDeno(["cache", "-q", "--frozen", "main.ts"], root), prepareBundler()];
  // If one fails, wait for the other too, so that no process is left behind.
  await Promise.allSettled(tasks);
  await Promise.all(tasks);
}

async function prepareBundler(): Promise<void> {
  const { denoDir } = JSON.parse(await runDeno(["info", "--json"]));
  const folder = join(denoDir, "dl");
  const cached = await checkBundlers(folder);
  // Cached bundlers may be those of other versions of Deno. Deno fetches its own if it is missing.
  await runDeno(["bundle", "-q", "--no-config", "--no-lock", "data:text/javascript,"]);
  await checkBundlers(folder, cached);
}

/**
 * Checks the bundlers that Deno has cached in `folder`, except those already `checked`, and returns
 * the paths of all. Skips versions that other releases of Deno use, whose hashes are unknown.
 *
 * @throws {Error} If a hash differs.
 */
export async function checkBundlers(
  folder: string,
  checked: readonly string[] = [],
  hashes = esbuildHashes,
): Promise<string[]> {
  const paths: string[] = [];
  for (const version of await namesIn(folder, /^esbuild-(\d+\.\d+\.\d+)/)) {
    for (
      const platform of await namesIn(join(folder, version.name), /^esbuild-([a-z\d]+-[a-z\d]+)/)
    ) {
      const path = join(folder, version.name, platform.name);
      const expected = hashes[version.key]?.[platform.key];
      paths.push(path);
      if (expected === undefined || checked.includes(path)) continue;
      if (await hashOf(path) !== expected) {
        throw new Error(
          `Cannot use ${path}: its hash differs from that of the published esbuild. Delete it`,
        );
      }
    }
  }
  return paths;
}

/** Hashes a file in chunks, since the launcher would hold on to the memory of a whole file. */
async function hashOf(path: string): Promise<string> {
  // Loading node:crypto takes longer than hashing, and a server with a built page doesn't need it.
  const { createHash } = await import("node:crypto");
  using file = Deno.openSync(path);
  const buffer = new Uint8Array(64 * 1024);
  const hash = createHash("sha256");
  for (let count; (count = file.readSync(buffer)) !== null;) hash.update(buffer.subarray(0, count));
  return hash.digest("hex");
}

/** Returns the entries of a folder that match, with the first group of the match. */
async function namesIn(folder: string, pattern: RegExp) {
  try {
    const names = await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
    return names.flatMap((name) => {
      const key = pattern.exec(name)?.[1];
      return key === undefined ? [] : [{ name, key }];
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Runs Deno and returns its output. */
async function runDeno(args: string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    ...(cwd === undefined ? {} : { cwd }),
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    const output = decoder.decode(stderr).trim();
    // Deno 2.4 removes the packages that it cannot find through `links`.
    const reason = /lockfile is out of date/.test(output)
      ? "deno.lock does not match the imports. An older Deno may have changed it: restore it with " +
        '"git checkout deno.lock", or update it with "deno install"'
      : output;
    throw new Error(`Cannot prepare to start: ${reason}`);
  }
  return decoder.decode(stdout);
}

if (import.meta.main) {
  try {
    await prepare();
  } catch (error) {
    printError(errorMessage(error));
    Deno.exit(1);
  }
}

// Bundles the page's scripts into static/dist, for compiled programs and containers, which have no
// bundler.

import { readScripts } from "../app/web/assets.ts";

const staticDir = `${import.meta.dirname}/../static`;
const scripts = await readScripts({ staticDir, dev: false, basePath: "", bundled: false });
try {
  // Scripts of previous builds would be served too.
  await Deno.remove(`${staticDir}/dist`, { recursive: true });
} catch (error) {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
await Deno.mkdir(`${staticDir}/dist`, { recursive: true });
for (const [name, bytes] of Object.entries(scripts)) {
  await Deno.writeFile(`${staticDir}/dist/${name}`, bytes);
}

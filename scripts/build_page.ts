// Bundles the page's scripts into static/dist, for programs that have no bundler of their own, and to fetch the bundler ahead of
// time.

import { readScripts } from "../app/web/assets.ts";

const staticDir = `${import.meta.dirname}/../static`;
const scripts = await readScripts({ staticDir, dev: false, basePath: "", bundled: false });
try {
  // Scripts of before would be handed out too.
  await Deno.remove(`${staticDir}/dist`, { recursive: true });
} catch (error) {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
await Deno.mkdir(`${staticDir}/dist`, { recursive: true });
for (const [name, bytes] of Object.entries(scripts)) {
  await Deno.writeFile(`${staticDir}/dist/${name}`, bytes);
}

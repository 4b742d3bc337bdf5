// Bundles the page into static/dist, for programs that have no bundler of their own, and to fetch the bundler ahead of time.

import { loadAssets } from "../web/assets.ts";

const staticDir = `${import.meta.dirname}/../../static`;
const assets = await loadAssets({ staticDir, dev: false, basePath: "", bundled: false });
const script = assets.get("/assets/main.js");
if (script === undefined) throw new Error("Cannot build the page: there is no script");
await Deno.mkdir(`${staticDir}/dist`, { recursive: true });
await Deno.writeFile(`${staticDir}/dist/main.js`, script.bytes);

// Draws the page's icons from static/icon.svg, in the sizes that devices ask for. Run
// `deno task icons` when it changes.

import { launchBrowser } from "../../tests/system/browser/browser_harness.ts";

const staticDir = new URL("../../static/", import.meta.url);
/** Full-bleed icons have square corners, since the device crops them to its own shape. */
const icons = [
  { file: "icon-192.png", size: 192, isFullBleed: false },
  { file: "icon-512.png", size: 512, isFullBleed: false },
  { file: "icon-full-180.png", size: 180, isFullBleed: true },
  { file: "icon-full-512.png", size: 512, isFullBleed: true },
];

const source = await Deno.readTextFile(new URL("icon.svg", staticDir));
const browser = await launchBrowser();
const page = await browser.newPage();
for (const { file, size, isFullBleed } of icons) {
  await page.setViewportSize({ width: size, height: size });
  const svg = isFullBleed ? source.replace(/ rx="[^"]*"/, "") : source;
  await page.setContent(`<style>body { margin: 0 } svg { display: block }</style>${svg}`);
  const png = await page.screenshot({ omitBackground: true });
  await Deno.writeFile(new URL(file, staticDir), new Uint8Array(png));
}
await browser.close();

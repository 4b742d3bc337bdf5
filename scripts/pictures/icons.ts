// Makes the page's icons from static/icon.svg, in the sizes that devices ask for: `deno task icons`, when that changes.

import { launch } from "../../tests/system/browser/browser_harness.ts";

const staticDir = new URL("../../static/", import.meta.url);
/** `full` ones go to the edge, since the device cuts its own shape out of them. */
const icons = [
  { file: "icon-192.png", size: 192, full: false },
  { file: "icon-512.png", size: 512, full: false },
  { file: "icon-full-180.png", size: 180, full: true },
  { file: "icon-full-512.png", size: 512, full: true },
];

const svg = await Deno.readTextFile(new URL("icon.svg", staticDir));
const browser = await launch();
const page = await browser.newPage();
for (const { file, size, full } of icons) {
  await page.setViewportSize({ width: size, height: size });
  const drawn = full ? svg.replace(/ rx="[^"]*"/, "") : svg;
  await page.setContent(
    `<style>body { margin: 0 } svg { display: block }</style>${drawn}`,
  );
  const bytes = await page.screenshot({ omitBackground: true });
  await Deno.writeFile(new URL(file, staticDir), new Uint8Array(bytes));
}
await browser.close();

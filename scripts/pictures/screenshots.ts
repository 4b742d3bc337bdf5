// Takes a picture of everything that the page can show, into docs/screenshots: `deno task screenshots`.

import { Scene } from "../../tests/system/browser/browser_harness.ts";
import { smallPng } from "./small_png.ts";
import { tour } from "../../tests/system/browser/views.ts";

const folder = new URL("../../docs/screenshots/", import.meta.url);
const scene = await Scene.open({ RATE_PER_SECOND: "0" });
try {
  const painter = await scene.browser.newPage();
  await Deno.mkdir(folder, { recursive: true });
  await tour(scene, async (page, name) => {
    const png = await page.screenshot({ animations: "disabled", caret: "hide" });
    await Deno.writeFile(new URL(`${name}.png`, folder), await smallPng(painter, png));
  });
} finally {
  await scene.close();
}

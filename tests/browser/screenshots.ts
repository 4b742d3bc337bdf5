// Takes a picture of everything that the page can show, into docs/screenshots: `deno task screenshots`.

import { Scene } from "./fixture.ts";
import { tour } from "./views.ts";

const folder = new URL("../../docs/screenshots/", import.meta.url);
const scene = await Scene.open({ RATE_PER_SECOND: "0" });
try {
  await Deno.mkdir(folder, { recursive: true });
  await tour(scene, async (page, name) => {
    const bytes = await page.screenshot({ animations: "disabled", caret: "hide" });
    await Deno.writeFile(new URL(`${name}.png`, folder), new Uint8Array(bytes));
  });
} finally {
  await scene.close();
}

// Takes a screenshot of every view of the page into docs/screenshots: `deno task screenshots`.

import { closeBrowser, noRateLimit, TestChat } from "../../tests/system/browser/browser_harness.ts";
import { smallPng } from "./small_png.ts";
import { tour } from "../../tests/system/browser/page_tour.ts";

const folder = new URL("../../docs/screenshots/", import.meta.url);
const chat = await TestChat.open({ ...noRateLimit, needsProcess: true, locale: "en-GB" });
try {
  const painter = await (await chat.newContext()).newPage();
  await Deno.mkdir(folder, { recursive: true });
  await tour(chat, async (page, name) => {
    const png = await page.screenshot({ animations: "disabled", caret: "hide" });
    await Deno.writeFile(new URL(`${name}.png`, folder), await smallPng(painter, png));
  });
} finally {
  await chat.close();
  await closeBrowser();
}

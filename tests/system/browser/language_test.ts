import { assert, assertEquals } from "@std/assert";
import { say, Scene, until } from "./browser_harness.ts";

async function inScene(run: (scene: Scene) => Promise<void>): Promise<void> {
  const scene = await Scene.open();
  try {
    await run(scene);
    assertEquals(scene.errors, []);
  } finally {
    await scene.close();
  }
}

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "page speaks the first language of the reader that it knows, and loads no other",
  options,
  async () => {
    await inScene(async (scene) => {
      const context = await scene.browser.newContext({ locale: "de-AT" });
      const scripts: string[] = [];
      context.on("response", (response) => {
        const { pathname } = new URL(response.url());
        // The service worker keeps all languages, later.
        if (
          pathname.endsWith(".js") &&
          response.request().serviceWorker() === null
        ) scripts.push(pathname);
      });
      const page = await scene.tab(context);
      await page.locator("#prompt-label", { hasText: "Dein Name" }).waitFor();
      assertEquals(await page.getAttribute("html", "lang"), "de");
      // What can go wrong is loaded behind the page.
      await until("the rest is loaded", async () => {
        await page.fill("#prompt-name", "a!");
        return (await page.textContent("#prompt-hint"))?.includes("Buchstaben, Ziffern") ?? false;
      });
      await page.fill("#prompt-name", "Ada");
      await page.click("#prompt-go");
      await page.locator("#room-about", {
        hasText: "1 hier · der Verlauf bleibt erhalten",
      }).waitFor();
      assertEquals(await page.getAttribute("#people", "aria-label"), "Leute");
      assertEquals(
        await page.getAttribute("#text", "placeholder"),
        "Nachricht an #lobby",
      );
      await say(page, "Grüß Gott");
      const expected = new Intl.DateTimeFormat("de-AT", {
        weekday: "long",
        day: "numeric",
        month: "long",
      });
      await page.locator("#rows .rule", {
        hasText: expected.format(new Date()),
      }).waitFor();
      const names = scripts.map((path) => path.replace(/^.*\/([a-z_]+)[.-].*$/, "$1"));
      const words = names.filter((name) => /words/.test(name));
      assert(words.includes("words_de") && words.every((name) => name.endsWith("_de")), `${words}`);
    });
  },
);

Deno.test(
  "page speaks English to readers of languages that it does not know",
  options,
  async () => {
    await inScene(async (scene) => {
      const page = await scene.enter("Ada", { locale: "fr-FR" });
      await page.locator("#room-about", {
        hasText: "1 here · history is kept",
      }).waitFor();
      assertEquals(await page.getAttribute("html", "lang"), "en");
    });
  },
);

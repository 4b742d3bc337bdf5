import { assert, assertEquals } from "@std/assert";
import { copyOfTree, ServerProcess } from "../../support/server_process.ts";
import { hears, launch, say, Scene, texts, until } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

async function isControlled(page: Page): Promise<void> {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

Deno.test(
  "page shows itself and the last messages without its server, and goes on from there",
  options,
  async () => {
    const scene = await Scene.open();
    try {
      const ada = await scene.enter("Ada");
      await say(ada, "before the night");
      await hears(ada, "before the night");
      await isControlled(ada);
      const { port } = scene.server;
      await scene.server.end("SIGKILL");
      await ada.goto(`${scene.server.url}r/design`);
      await ada.waitForSelector("#app:not([hidden]), #prompt:not([hidden])");
      await ada.goto(scene.server.url);
      await hears(ada, "before the night");
      assertEquals(await ada.textContent("#me-name"), "Ada");
      await say(ada, "written in the dark");
      await ada.locator("#rows .text.pending", {
        hasText: "written in the dark",
      }).waitFor();
      scene.server = await ServerProcess.start(scene.dir, { port });
      await hears(ada, "written in the dark");
      assertEquals(await texts(ada), [
        "before the night",
        "written in the dark",
      ]);
      await ada.locator("#status:empty").waitFor({ state: "attached" });
      await ada.click("#me");
      await ada.click("text=Sign out");
      await ada.waitForSelector("#prompt:not([hidden])");
      assertEquals(
        await ada.evaluate(() => localStorage.getItem("parley.last.lobby")),
        null,
      );
      assertEquals(scene.errors, []);
    } finally {
      await scene.close();
    }
  },
);

Deno.test("page can be installed", options, async () => {
  const scene = await Scene.open();
  try {
    const page = await scene.enter("Ada");
    await isControlled(page);
    const devtools = await page.context().newCDPSession(page);
    const { errors, data } = await devtools.send("Page.getAppManifest");
    assertEquals(errors, []);
    const manifest: {
      icons: { src: string; sizes: string; type: string; purpose?: string }[];
    } = JSON.parse(data ?? "{}");
    for (const { src, sizes, type } of manifest.icons) {
      const size = await page.evaluate(async (src) => {
        const image = new Image();
        image.src = src;
        await image.decode();
        return `${image.naturalWidth}x${image.naturalHeight}`;
      }, src);
      assert(type === "image/svg+xml" || size === sizes, `${src} is ${size}`);
    }
    assert(manifest.icons.some(({ purpose }) => purpose === "maskable"));
    const { installabilityErrors } = await devtools.send(
      "Page.getInstallabilityErrors",
    );
    // A window of its own session, as tests use them, is never offered an installation.
    assertEquals(
      installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito"),
      [],
    );
    assertEquals(scene.errors, []);
  } finally {
    await scene.close();
  }
});

Deno.test(
  "page is never older than its server, and offline never older than the last visit",
  options,
  async () => {
    await using tree = await copyOfTree();
    const dir = await Deno.makeTempDir();
    const start = (port = 0) => ServerProcess.start(dir, { tree: `${tree.path}/`, port });
    const build = (page: Page) =>
      page.evaluate(() => getComputedStyle(document.body).getPropertyValue("--build"));
    const setBuild = async (name: string) => {
      await Deno.writeTextFile(
        `${tree.path}/static/style.css`,
        `body { --build: ${name} }`,
      );
    };
    const browser = await launch();
    await setBuild("one");
    let server = await start();
    try {
      const { port, url } = server;
      const page = await (await browser.newContext()).newPage();
      await page.goto(url);
      await isControlled(page);
      assertEquals(await build(page), "one");
      await server.end();
      await page.reload();
      assertEquals(await build(page), "one");

      await setBuild("two");
      server = await start(port);
      await page.reload();
      assertEquals(await build(page), "two");
      // The new files are kept, and the old ones gone.
      await until("the new page is kept", () =>
        page.evaluate(async () => {
          const [name = "", ...others] = await caches.keys();
          const kept = await (await caches.open(name)).keys();
          const style = document.querySelector<HTMLLinkElement>("link[rel=stylesheet]")?.href;
          return others.length === 0 && kept.some(({ url }) => url === style);
        }));
      await isControlled(page);
      await server.end();
      await page.reload();
      assertEquals(await build(page), "two");
    } finally {
      await browser.close();
      await server.end().catch(() => {});
      await Deno.remove(dir, { recursive: true });
    }
  },
);

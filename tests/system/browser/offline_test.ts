// The service worker: the page without its server, its installation, and new versions.

import { assert, assertEquals } from "@std/assert";
import { copyOfTree, ServerProcess } from "../../support/server_process.ts";
import {
  browserTest,
  messageTexts,
  openSettings,
  send,
  waitForEmptyStatus,
  waitForMessage,
  waitUntil,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

const withWorker = { needsWorker: true };

async function waitForWorker(page: Page): Promise<void> {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

browserTest(
  "opens with the last messages while the server is down, and catches up",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await send(ada, "before the night");
    await waitForMessage(ada, "before the night");
    await waitForWorker(ada);
    await chat.killServer();
    await ada.goto(`${chat.url}r/design`);
    await ada.waitForSelector("#app:not([hidden]), #prompt:not([hidden])");
    await ada.goto(chat.url);
    await waitForMessage(ada, "before the night");
    // The page must not look connected before it ever was.
    assertEquals(await ada.locator("#me-dot.off").count(), 1);
    await ada.locator("#me-name", { hasText: "Ada" }).waitFor();
    // The page knows its own messages before a server has said who it is.
    await ada.locator("#rows article", { hasText: "before the night" }).hover();
    await ada.locator(".bar").getByText("Edit").waitFor();
    await send(ada, "written in the dark");
    await ada.locator("#rows .text.pending", { hasText: "written in the dark" }).waitFor();
    await chat.startServer();
    await waitForMessage(ada, "written in the dark");
    assertEquals(await messageTexts(ada), ["before the night", "written in the dark"]);
    await waitForEmptyStatus(ada);
    assertEquals(await ada.locator("#me-dot.off").count(), 0);
    await openSettings(ada);
    await ada.click("text=Sign out");
    await ada.waitForSelector("#prompt:not([hidden])");
    assertEquals(await ada.evaluate(() => localStorage.getItem("parley.last.lobby")), null);
  },
  { ...withWorker, needsProcess: true },
);

browserTest("opens while the server accepts connections but never responds", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "before the night");
  await waitForMessage(ada, "before the night");
  await waitForWorker(ada);
  await chat.killServer();
  const { port } = chat.server;
  using listener = Deno.listen({ hostname: "127.0.0.1", port });
  const connections: Deno.Conn[] = [];
  const accepted = (async () => {
    for await (const connection of listener) connections.push(connection);
  })();
  await ada.goto(chat.url, { waitUntil: "commit" });
  await waitForMessage(ada, "before the night");
  listener.close();
  await accepted;
  for (const connection of connections) connection.close();
}, { ...withWorker, needsProcess: true });

browserTest("can be installed", async (chat) => {
  const page = await chat.signIn("Ada");
  await waitForWorker(page);
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
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // Browsers never offer to install from an incognito context, which tests use.
  const others = installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito");
  assertEquals(others, []);
}, withWorker);

browserTest(
  "is never older than its server, and offline never older than the last visit",
  async (chat) => {
    await using tree = await copyOfTree();
    const dir = await Deno.makeTempDir();
    const start = async (port = 0) => {
      const server = await ServerProcess.start(dir, { tree: `${tree.path}/`, port });
      // The worker waits 2 s for a response. On a busy machine, the first one can take longer.
      await (await fetch(server.url)).body?.cancel();
      return server;
    };
    const buildOf = (page: Page) =>
      page.evaluate(() => getComputedStyle(document.body).getPropertyValue("--build"));
    const setBuild = async (name: string) => {
      await Deno.writeTextFile(`${tree.path}/static/style.css`, `body { --build: ${name} }`);
    };
    await setBuild("one");
    let server = await start();
    try {
      const { port, url } = server;
      const page = await (await chat.newContext()).newPage();
      await page.goto(url);
      await waitForWorker(page);
      assertEquals(await buildOf(page), "one");
      await server.end();

      // Don't reload while the server is down. The worker then checks for updates a second later,
      // and if that check meets the next reload, Chromium activates the new worker only once the
      // old one has been idle for 30 s, and with DevTools attached even later.
      await setBuild("two");
      server = await start(port);
      await page.reload();
      assertEquals(await buildOf(page), "two");
      await waitUntil("only the new files are cached", () =>
        page.evaluate(async () => {
          const [name = "", ...others] = await caches.keys();
          const style = document.querySelector<HTMLLinkElement>("link[rel=stylesheet]")?.href;
          // caches.open() would create a cache again that the worker has just deleted.
          const cached = await caches.match(style ?? "", { cacheName: name });
          return others.length === 0 && cached !== undefined;
        }));
      await waitForWorker(page);
      await server.end();
      await page.reload();
      assertEquals(await buildOf(page), "two");
    } finally {
      await server.end().catch(() => {});
      await Deno.remove(dir, { recursive: true });
    }
  },
  withWorker,
);

import { assert, assertEquals } from "@std/assert";
import { hears, launch, say, signIn, test, until } from "./browser_harness.ts";
import type { Page, Scene } from "./browser_harness.ts";
import { scripted } from "./scripted_server.ts";
import { ServerProcess } from "../../support/server_process.ts";

async function says(page: Page, sentence: RegExp): Promise<void> {
  await page.locator("#status", { hasText: sentence }).waitFor();
}

/** Gives a name, and waits for what is said about it, since there is nothing else to show yet. */
async function waitsAtTheDoor(page: Page, sentence: RegExp): Promise<void> {
  await page.fill("#prompt-name", "Ada");
  await page.click("#prompt-go");
  await page.locator("#prompt-hint.trouble", { hasText: sentence }).waitFor();
}

test("says that the server is full, and enters when there is space [C9]", async (scene) => {
  const ben = await scene.enter("Ben");
  const ada = await scene.person();
  await waitsAtTheDoor(ada, /The server is full/);
  await ben.context().close();
  await ada.waitForSelector("#app:not([hidden])");
}, { MAX_CONNECTIONS: "1" });

/** Stands before the chat and passes on what is no WebSocket, without the headers that it does not like. */
async function behindProxy(
  scene: Scene,
  without: readonly string[],
  look: (page: Page) => Promise<void>,
  locale = "en-GB",
): Promise<void> {
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const { pathname } = new URL(request.url);
      const headers = [...request.headers].filter(([name]) => !without.includes(name));
      return fetch(new URL(pathname, scene.server.url), { method: request.method, headers });
    },
  );
  const browser = await launch();
  try {
    const page = await (await browser.newContext({ locale })).newPage();
    await page.goto(`http://127.0.0.1:${proxy.addr.port}/`);
    await look(page);
  } finally {
    await browser.close();
  }
}

const hopByHop = ["connection", "upgrade", "host"];

test("says that a proxy lets no WebSocket through [C9]", async (scene) => {
  await behindProxy(scene, [...hopByHop, "origin"], async (page) => {
    await waitsAtTheDoor(page, /A proxy between you and the chat/);
  });
});

test("says that its address is not one that the chat allows, in the reader's language [C9]", async (scene) => {
  await behindProxy(scene, hopByHop, async (page) => {
    await waitsAtTheDoor(page, /comes from another origin than the chat.*ALLOWED_ORIGINS/);
  });
  await behindProxy(scene, hopByHop, async (page) => {
    await waitsAtTheDoor(page, /Seite kommt von einer anderen/);
  }, "de");
});

test("tells being offline from a server that is down", async (scene) => {
  const ada = await scene.enter("Ada");
  const { port } = scene.server;
  await scene.server.end("SIGKILL");
  await says(ada, /^Reconnecting in \d+ s Try now$/);
  await ada.context().setOffline(true);
  await says(ada, /^You're offline\./);
  await ada.context().setOffline(false);
  await says(ada, /^Reconnecting in|^Connecting/);
  scene.server = await ServerProcess.start(scene.dir, { port });
  await ada.locator("#status:empty").waitFor({ state: "attached" });
});

test("says at the door that the server does not answer, and lets one try at once, by another name too", async (scene) => {
  const ada = await scene.person();
  await ada.evaluate(async () => void await navigator.serviceWorker.ready);
  const { port } = scene.server;
  await scene.server.end("SIGKILL");
  await waitsAtTheDoor(ada, /Can't reach the server/);
  await ada.context().setOffline(true);
  await ada.locator("#prompt-hint", { hasText: "You're offline" }).waitFor();
  await ada.context().setOffline(false);
  scene.server = await ServerProcess.start(scene.dir, { port });
  await signIn(ada, "Ida");
  assertEquals(await ada.textContent("#me-name"), "Ida");
});

test("reads aloud once that it reconnects, and not how the seconds go down", async (scene) => {
  const ada = await scene.enter("Ada");
  await ada.evaluate(() => {
    const read: string[] = [];
    Object.assign(globalThis, { read });
    const line = document.querySelector("#status");
    if (line === null) return;
    new MutationObserver(() => {
      if (line.ariaLive !== "off") read.push(line.textContent);
    }).observe(line, { childList: true, characterData: true, subtree: true });
  });
  await scene.server.end("SIGKILL");
  const seen = new Set<string>();
  await until("several seconds have been shown", async () => {
    seen.add(await ada.textContent("#status") ?? "");
    return [...seen].filter((text) => text.startsWith("Reconnecting")).length > 3;
  });
  const read = () => ada.evaluate(() => (globalThis as unknown as { read: string[] }).read);
  assertEquals(new Set(await read()).size, 1, (await read()).join());
});

test("says nothing of a blip of less than two seconds", async (scene) => {
  const context = await scene.browser.newContext({ locale: "en-GB" });
  await context.addInitScript(() => {
    const said: string[] = [];
    Object.assign(globalThis, { said });
    addEventListener("DOMContentLoaded", () => {
      const parts = document.querySelectorAll("#status, #me-state, #room-about, #people-title");
      for (const part of parts) {
        new MutationObserver(() => said.push(part.textContent)).observe(part, {
          childList: true,
          characterData: true,
          subtree: true,
        });
      }
    });
  });
  const sockets = { opened: 0, closed: 0 };
  context.on("page", (page) =>
    page.on("websocket", (socket) => {
      socket.once("framereceived", () => sockets.opened++);
      socket.on("close", () => sockets.closed++);
    }));
  const ada = await scene.tab(context);
  await signIn(ada, "Ada");
  await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
  const said = () =>
    ada.evaluate(() => (globalThis as unknown as { said: string[] }).said.splice(0));
  await said();
  // Its time goes on only as far as it is told, the pictures with it.
  await ada.clock.install();
  await ada.clock.pauseAt(new Date(Date.now() + 60_000));
  const passes = (what: keyof typeof sockets, count: number) =>
    until(`${count} sockets are ${what}`, async () => {
      await ada.clock.runFor(4);
      return sockets[what] === count;
    });
  const { port } = scene.server;
  await scene.server.end("SIGKILL");
  await passes("closed", 1);
  scene.server = await ServerProcess.start(scene.dir, { port });
  await ada.clock.runFor(1_100);
  await passes("opened", 2);
  await ada.clock.runFor(5_000);
  assertEquals(await said(), []);
  await scene.server.end("SIGKILL");
  await passes("closed", 2);
  await ada.clock.runFor(2_100);
  const words = await said();
  assert(words.includes("not connected") && words.some((text) => /ing/.test(text)), words.join());
});

test("says what the server says of a name that is asked for too often [L3]", async (scene) => {
  const { ada, server } = await scripted(scene);
  server.push({
    type: "error",
    re: "rename",
    code: "rate_limited",
    message: "Too many names: try again in 720 seconds",
    retryAfter: 720_000,
  });
  await says(ada, /Too many names: try again in 720 seconds/);
  await say(ada, "still talking");
  await hears(ada, "still talking");
  await ada.locator("#status:empty").waitFor({ state: "attached" });
});

test("goes on in this tab when another took its place, and says so until then [N9]", async (scene) => {
  const ada = await scene.enter("Ada");
  const context = await scene.browser.newContext({ locale: "en-GB" });
  const tabs: { close(options: { code: number; reason: string }): Promise<void> }[] = [];
  await context.routeWebSocket(/\/ws$/, (socket) => {
    tabs.push(socket);
    socket.connectToServer();
  });
  const ida = await scene.tab(context);
  await signIn(ida, "Ida");
  await tabs.at(-1)?.close({ code: 4005, reason: "this tab has a newer connection" });
  await says(ida, /connected elsewhere\. Use here$/);
  await ida.click("#status >> text=Use here");
  await ida.locator("#status:empty").waitFor({ state: "attached" });
  await say(ida, "here again");
  await hears(ada, "here again");
  assert(tabs.length === 2);
});

// The page on networks, browsers and storages that fail in less obvious ways.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  openSettings,
  send,
  sharedServerOnly,
  signIn,
  waitForEmptyStatus,
  waitForMessage,
  waitForRoom,
  waitForStatus,
  waitUntil,
} from "./browser_harness.ts";
import { ScriptedServer, signInScripted } from "./scripted_server.ts";

browserTest(
  "shows the server's reason even if the browser says that it is offline",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await ada.context().route(/\/ws$/, (route) =>
      route.fulfill({
        status: 503,
        headers: { "content-type": "application/problem+json" },
        body: JSON.stringify({ code: "draining", detail: "The server is about to restart" }),
      }));
    await ada.evaluate(() => Object.defineProperty(navigator, "onLine", { get: () => false }));
    await chat.killServer();
    await waitForStatus(ada, /^The server is restarting\. Reconnecting in/);
    // The browser reports the refusals.
    chat.consoleErrors.length = 0;
  },
  { needsProcess: true },
);

browserTest(
  "opens no socket after one has failed, until the server answers a request",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    let sockets = 0;
    let requests = 0;
    ada.on("websocket", () => sockets++);
    ada.on("requestfailed", () => requests++);
    await chat.killServer();
    for (let i = 0; i < 3; i++) await ada.getByText("Try now").click();
    // Each attempt asks before it would open a socket, and asks for the reason after it has failed.
    await waitUntil("all attempts have failed", () => Promise.resolve(requests >= 7));
    assertEquals(sockets, 1);
    await chat.startServer();
    await ada.evaluate(() => dispatchEvent(new Event("online")));
    await waitForEmptyStatus(ada);
    assertEquals(sockets, 2);
  },
  { needsProcess: true },
);

browserTest("ignores locales that aren't language tags", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.addInitScript(() => {
    Object.defineProperty(navigator, "languages", { get: () => ["C", "de-AT@euro", "en-US"] });
  });
  await ada.goto(chat.url);
  await signIn(ada, "Ada");
  await send(ada, "hallo");
  await waitForMessage(ada, "hallo");
  assertEquals(await ada.getAttribute("html", "lang"), "de");
});

browserTest("says that there is a new version, and reloads with the draft", async (chat) => {
  const context = await chat.newContext();
  await context.clock.install();
  const ada = await chat.openTab(context, "r/builds");
  await signIn(ada, "Ada");
  await waitForEmptyStatus(ada);
  await ada.fill("#text", "half a thought");
  // The new server's page names another script.
  await ada.context().route(chat.url, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/main\.\w+\.js/, "main.abc123.js");
    await route.fulfill({ response, body });
  });
  await ada.clock.fastForward(60_000);
  await chat.killServer();
  await waitForStatus(ada, /Reconnecting|Connecting/);
  await chat.startServer();
  await waitForStatus(ada, /^There is a new version of this page\. Reload$/);
  await ada.context().unroute(chat.url);
  await ada.click("#status >> text=Reload");
  await ada.waitForSelector("#app:not([hidden])");
  assertEquals(await ada.inputValue("#text"), "half a thought");
}, { needsProcess: true });

browserTest("doesn't mistake an extension's script for a new version", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.clock.install();
  const server = new ScriptedServer();
  await server.attach(ada);
  await chat.enter(ada, "Ada");
  await ada.evaluate(() => document.head.prepend(document.createElement("script")));
  await ada.clock.fastForward(60_000);
  const checked = ada.waitForResponse(chat.url);
  await server.close(1001, "");
  await ada.clock.runFor(5_000);
  await (await checked).finished();
  server.publish("lobby", { text: "back" });
  await ada.clock.runFor(1_000);
  await waitForMessage(ada, "back");
  assertEquals(await ada.textContent("#status"), "");
}, sharedServerOnly);

browserTest("retries a failed script with another address", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.route(/extras-[^?]*$/, (route) => route.abort());
  const queries: string[] = [];
  ada.on("request", (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.includes("/extras-")) queries.push(search);
  });
  await chat.enter(ada, "Ada");
  await ada.fill("#text", "/");
  await ada.locator("#suggestions:not([hidden])").waitFor();
  assert(queries.includes("?1"), queries.join());
});

browserTest("runs a command that was typed before the commands had loaded", async (chat) => {
  const ada = await chat.signIn("Ada");
  const extras = Promise.withResolvers<void>();
  await ada.route(/extras-/, async (route) => {
    await extras.promise;
    await route.continue();
  });
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  await send(ada, "/join design");
  assertEquals(await ada.inputValue("#text"), "/join design");
  extras.resolve();
  await waitForRoom(ada, "design");
  assertEquals(await ada.inputValue("#text"), "");
});

browserTest(
  "says beside a message that storage is unavailable, not that it was sent too fast",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    await waitForEmptyStatus(ada);
    server.refusal = { code: "storage_unavailable", retryAfter: 600_000 };
    await send(ada, "one");
    await ada.locator("#rows .state", { hasText: "Storage is unavailable. Retrying…" }).waitFor();
    assert(!(await ada.textContent("#rows"))?.includes("quickly"));
  },
);

browserTest("counts down until a locked-out person can try again", async (chat) => {
  const server = new ScriptedServer();
  server.helloRefusal = { code: "access_locked", retryAfter: 90_000 };
  const context = await chat.newContext();
  await server.attach(context);
  const ada = await chat.openTab(context);
  await ada.clock.install();
  await ada.fill("#prompt-name", "Ada");
  await ada.click("#prompt-go");
  const hint = ada.locator("#prompt-hint");
  await hint.filter({ hasText: "Try again in 90 seconds." }).waitFor();
  await ada.clock.runFor(30_000);
  await hint.filter({ hasText: "Try again in 60 seconds." }).waitFor();
  await ada.clock.runFor(61_000);
  await hint.filter({ hasText: "This is the name others will see." }).waitFor();
}, sharedServerOnly);

browserTest("says why the server closed the connection, until a message is sent", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  await waitForEmptyStatus(ada);
  await server.close(4102, "too many refused commands");
  await waitForStatus(ada, /^This page sent too much at once\./);
  await send(ada, "one");
  await waitForEmptyStatus(ada);
});

browserTest("runs without APIs newer than the oldest supported browsers", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.addInitScript(() => {
    const remove = (owner: object, ...names: readonly string[]) => {
      for (const name of names) Reflect.deleteProperty(owner, name);
    };
    remove(URL, "parse");
    remove(Promise, "try");
    remove(RegExp, "escape");
    remove(Uint8Array, "fromBase64", "fromHex");
    remove(Uint8Array.prototype, "toBase64", "toHex");
    remove(Set.prototype, "union", "intersection", "difference", "isSubsetOf", "isSupersetOf");
    remove(Object.getPrototypeOf(Object.getPrototypeOf([].values())), "map", "filter", "some");
    remove(Element.prototype, "moveBefore", "setHTMLUnsafe");
    remove(HTMLDialogElement.prototype, "requestClose");
    remove(Document.prototype, "caretPositionFromPoint", "startViewTransition");
    remove(globalThis, "Iterator", "scheduler", "CloseWatcher");
  });
  await ada.goto(chat.url);
  await signIn(ada, "Ada");
  await send(ada, "see https://example.com and *this*, @Ada");
  await waitForMessage(ada, "see");
  await ada.locator("#rows a[href='https://example.com/']").waitFor();
  await openSettings(ada);
  await ada.keyboard.press("Escape");
  assert(!await ada.locator("#not-started").count());
});

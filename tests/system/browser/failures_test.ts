// The page's reports when the server, the network or a proxy fails, and its recovery.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  send,
  sharedServerOnly,
  signIn,
  waitForEmptyStatus,
  waitForMessage,
  waitForStatus,
  waitUntil,
} from "./browser_harness.ts";
import type { Page, TestChat } from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

/** Enters a name, and waits for the sentence that refuses it. */
async function waitForRefusal(page: Page, sentence: RegExp): Promise<void> {
  await page.fill("#prompt-name", "Ada");
  await page.click("#prompt-go");
  await page.locator("#prompt-hint.warning", { hasText: sentence }).waitFor();
}

/** Starts the server and clicks a button that makes the page retry. Needs an installed clock. */
async function tryNow(chat: TestChat, page: Page, button: string): Promise<void> {
  // With its clock stopped, the page cannot try by itself before the click.
  await page.clock.pauseAt(new Date(Date.now() + 60_000));
  await waitUntil("the page waits to try again", async () => {
    await page.clock.runFor(100);
    return await page.locator(button).isVisible() && await page.isEnabled(button);
  });
  await chat.startServer();
  const opened = page.waitForEvent("websocket");
  await page.click(button);
  await opened;
  await page.clock.resume();
}

browserTest("says that the server is full, and enters once it no longer is [C9]", async (chat) => {
  const ben = await chat.signIn("Ben");
  const ada = await chat.visit();
  await waitForRefusal(ada, /The server is full/);
  await ben.context().close();
  await ada.waitForSelector("#app:not([hidden])");
}, { env: { MAX_CONNECTIONS: "1" } });

const hopByHop = ["connection", "upgrade", "host"];

/** Opens the chat through a proxy that blocks WebSockets. */
async function visitThroughProxy(
  chat: TestChat,
  { dropped = hopByHop, answer, locale = "en-GB" }: {
    /** The headers that the proxy drops. */
    dropped?: readonly string[];
    /** Returns the proxy's own response, if it does not forward the request. */
    answer?: (pathname: string) => Response | undefined;
    locale?: string;
  },
  check: (page: Page) => Promise<void>,
): Promise<void> {
  await using proxy = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const { pathname } = new URL(request.url);
      const headers = [...request.headers].filter(([name]) => !dropped.includes(name));
      return answer?.(pathname) ??
        fetch(new URL(pathname, chat.server.url), { method: request.method, headers });
    },
  );
  const context = await chat.newContext({ locale });
  const page = await context.newPage();
  try {
    await page.goto(`http://127.0.0.1:${proxy.addr.port}/`);
    await check(page);
  } finally {
    // Close the page first: the proxy waits for its requests.
    await context.close();
  }
}

browserTest("says that a proxy blocks WebSockets [C9]", async (chat) => {
  await visitThroughProxy(chat, { dropped: [...hopByHop, "origin"] }, async (page) => {
    await waitForRefusal(page, /A proxy blocks WebSockets.*Upgrade/);
  });
});

browserTest("says in the reader's language that its origin is not allowed [C9]", async (chat) => {
  await visitThroughProxy(chat, {}, async (page) => {
    await waitForRefusal(page, /This page's address isn't allowed.*ALLOWED_ORIGINS/);
  });
  await visitThroughProxy(chat, { locale: "de" }, async (page) => {
    await waitForRefusal(page, /Die Adresse dieser Seite ist hier nicht erlaubt/);
  });
});

browserTest("leads from the name prompt to a proxy's sign-on, and keeps the name", async (chat) => {
  const html = { headers: { "content-type": "text/html" } };
  const signOn = () => new Response("<h1>Who are you?</h1>", html);
  const answers = [
    signOn,
    () => new Response(null, { status: 401 }),
    () => new Response(null, { status: 302, headers: { location: "/sign-on" } }),
  ];
  for (const expired of answers) {
    let isExpired = false;
    const answer = (pathname: string) => {
      if (!isExpired) return undefined;
      return pathname === "/ws" ? expired() : signOn();
    };
    await visitThroughProxy(chat, { answer }, async (page) => {
      await page.locator("#prompt-go:enabled").waitFor();
      isExpired = true;
      await waitForRefusal(page, /Your sign-in to this site has expired/);
      await page.locator("#prompt-go", { hasText: "Sign in again" }).click();
      await page.locator("h1", { hasText: "Who are you?" }).waitFor();
      isExpired = false;
      await page.reload();
      await waitUntil(
        "the name is back",
        async () => await page.inputValue("#prompt-name") === "Ada",
      );
    });
  }
});

browserTest("leads to a proxy's sign-on, and keeps outbox and draft", async (chat) => {
  const context = await chat.newContext();
  await context.clock.install();
  const ada = await chat.openTab(context);
  await signIn(ada, "Ada");
  await context.route(/\/ws$/, (route) => route.fulfill({ contentType: "text/html" }));
  await chat.killServer();
  await waitForStatus(ada, /Your sign-in to this site has expired/);
  await send(ada, "written meanwhile");
  await ada.fill("#text", "half a sentence");
  await tryNow(chat, ada, "#status >> text=Sign in again");
  await waitForMessage(ada, "written meanwhile");
  assertEquals(await ada.inputValue("#text"), "half a sentence");
}, { needsProcess: true });

browserTest("distinguishes being offline from a server that is down", async (chat) => {
  const ada = await chat.signIn("Ada");
  await chat.killServer();
  await waitForStatus(ada, /^Reconnecting in \d+ s Try now$/);
  await ada.context().setOffline(true);
  await waitForStatus(ada, /^You're offline\./);
  await ada.context().setOffline(false);
  await waitForStatus(ada, /^Reconnecting in|^Connecting/);
  await chat.startServer();
  await waitForEmptyStatus(ada);
}, { needsProcess: true });

browserTest("says when it will reconnect, and reconnects at once when asked", async (chat) => {
  const context = await chat.newContext();
  // Must come before the page sets timers: it could not cancel earlier ones.
  await context.clock.install();
  const ada = await chat.openTab(context);
  await signIn(ada, "Ada");
  await chat.killServer();
  await waitForStatus(ada, /Reconnecting in \d+ s/);
  await tryNow(chat, ada, "#status >> text=Try now");
  await waitForEmptyStatus(ada);
  // The button had the focus.
  await ada.locator("#text:focus").waitFor();
  await send(ada, "back");
  await waitForMessage(ada, "back");
}, { needsProcess: true });

browserTest(
  "says before sign-in that the server is unreachable, and tries another name at once",
  async (chat) => {
    const ada = await chat.visit();
    await ada.evaluate(async () => void await navigator.serviceWorker.ready);
    await ada.clock.install();
    await chat.killServer();
    await waitForRefusal(ada, /Can't reach the server/);
    await ada.context().setOffline(true);
    await ada.locator("#prompt-hint", { hasText: "You're offline" }).waitFor();
    await ada.context().setOffline(false);
    await ada.fill("#prompt-name", "Ida");
    await tryNow(chat, ada, "#prompt-go");
    await ada.waitForSelector("#app:not([hidden])");
    assertEquals(await ada.textContent("#me-name"), "Ida");
  },
  { needsWorker: true, needsProcess: true },
);

browserTest("announces once that it is reconnecting, not every second", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.evaluate(() => {
    const announced: string[] = [];
    Object.assign(globalThis, { announced });
    const line = document.querySelector("#status");
    if (line === null) return;
    new MutationObserver(() => {
      if (line.ariaLive !== "off") announced.push(line.textContent);
    }).observe(line, { childList: true, characterData: true, subtree: true });
  });
  await chat.killServer();
  const seen = new Set<string>();
  await waitUntil("several seconds have been shown", async () => {
    seen.add(await ada.textContent("#status") ?? "");
    return [...seen].filter((text) => text.startsWith("Reconnecting")).length > 3;
  });
  const announced = await ada.evaluate(() =>
    (globalThis as unknown as { announced: string[] }).announced
  );
  assertEquals(new Set(announced).size, 1, announced.join());
}, { needsProcess: true });

browserTest("says nothing about a connection lost for less than two seconds", async (chat) => {
  const context = await chat.newContext();
  await context.addInitScript(() => {
    const changes: string[] = [];
    Object.assign(globalThis, { changes });
    addEventListener("DOMContentLoaded", () => {
      const parts = document.querySelectorAll("#status, #me-state, #room-about, #people-title");
      for (const part of parts) {
        new MutationObserver(() => changes.push(part.textContent)).observe(part, {
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
  await context.clock.install();
  const ada = await chat.openTab(context);
  await signIn(ada, "Ada");
  await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
  const takeChanges = () =>
    ada.evaluate(() => (globalThis as unknown as { changes: string[] }).changes.splice(0));
  await takeChanges();
  // From here on the page's clock, and its drawing, advance only when the test says so.
  await ada.clock.pauseAt(new Date(Date.now() + 20_000));
  const advanceUntil = (event: keyof typeof sockets, count: number) =>
    waitUntil(`${count} sockets are ${event}`, async () => {
      await ada.clock.runFor(4);
      return sockets[event] === count;
    });
  await chat.killServer();
  await advanceUntil("closed", 1);
  await chat.startServer();
  await ada.clock.runFor(1_100);
  await advanceUntil("opened", 2);
  await ada.clock.runFor(5_000);
  assertEquals(await takeChanges(), []);
  await chat.killServer();
  await advanceUntil("closed", 2);
  await ada.clock.runFor(2_100);
  const texts = await takeChanges();
  const isShown = texts.some((text) => /Connecting|Reconnecting/.test(text));
  assert(texts.includes("offline") && isShown, texts.join());
}, { needsProcess: true });

browserTest("checks the connection after the device has slept", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.clock.install();
  const frames: string[] = [];
  await ada.routeWebSocket(/\/ws$/, (socket) => {
    const server = socket.connectToServer();
    socket.onMessage((frame) => {
      frames.push(String(frame));
      server.send(frame);
    });
  });
  await chat.enter(ada, "Ada");
  await waitForEmptyStatus(ada);
  await ada.clock.runFor(20_000);
  assertEquals(frames.filter((frame) => frame.includes("ping")), []);
  // Timers stop while the device sleeps, but the clock goes on.
  await ada.clock.setSystemTime(Date.now() + 3_600_000);
  await ada.clock.runFor(5_000);
  await waitUntil("the page has sent a ping", async () => {
    return await Promise.resolve(frames.some((frame) => frame.includes("ping")));
  });
});

browserTest("says when a name was changed too often [L3]", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.push({
    type: "error",
    re: "rename",
    code: "rate_limited",
    message: "You've changed your name too often. Try again in 720 seconds.",
    retryAfter: 720_000,
  });
  await waitForStatus(ada, /You've changed your name too often\. Try again in 12 minutes\./);
  await send(ada, "still talking");
  await waitForMessage(ada, "still talking");
  await waitForEmptyStatus(ada);
}, sharedServerOnly);

browserTest("says that storage is unavailable until a message is stored [M9]", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.refusal = { code: "storage_unavailable" };
  await send(ada, "patience");
  await waitForStatus(ada, /Storage is unavailable\. Retrying…/);
  server.refusal = undefined;
  await waitForMessage(ada, "patience");
  await waitForEmptyStatus(ada);
});

browserTest(
  "says that a newer connection took over, and takes the chat back [N9]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ida = await chat.newVisitor();
    const sockets: { close(options: { code: number; reason: string }): Promise<void> }[] = [];
    await ida.routeWebSocket(/\/ws$/, (socket) => {
      sockets.push(socket);
      socket.connectToServer();
    });
    await chat.enter(ida, "Ida");
    await sockets.at(-1)?.close({ code: 4005, reason: "this tab has a newer connection" });
    await waitForStatus(ida, /This page is connected elsewhere\. Use here$/);
    await ida.click("#status >> text=Use here");
    await waitForEmptyStatus(ida);
    await send(ida, "here again");
    await waitForMessage(ada, "here again");
    assertEquals(sockets.length, 2);
  },
);

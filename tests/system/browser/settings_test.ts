// Settings: name, appearance, devices and notifications.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  noRateLimit,
  openSettings,
  send,
  signIn,
  waitForMessage,
  waitForRoom,
  waitUntil,
} from "./browser_harness.ts";
import type { BrowserContext, Page, TestChat, WebSocketRoute } from "./browser_harness.ts";

browserTest("keeps the appearance, in all tabs and across a reload", async (chat) => {
  const ada = await chat.signIn("Ada", { colorScheme: "light" });
  const other = await chat.openTab(ada.context());
  await other.waitForSelector("#app:not([hidden])");
  const background = (page: Page) =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background(ada);
  await openSettings(ada);
  await ada.getByLabel("Theme").selectOption({ label: "Dark" });
  await ada.getByLabel("Density").selectOption({ label: "Compact" });
  assert(await background(ada) !== light);
  // The browser's own bar follows too.
  const bar = await ada.evaluate(() => {
    const metas = document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]');
    return [...metas].filter(({ media }) => matchMedia(media).matches).map(({ content }) =>
      content
    );
  });
  assertEquals(bar, ["#101318"]);
  await waitUntil("the other tab follows", async () => await background(other) !== light);
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  assert(await background(ada) !== light);
  await openSettings(ada);
  const density = ada.getByLabel("Density").locator("option:checked");
  assertEquals(await density.textContent(), "Compact");
  await ada.getByLabel("Theme").selectOption({ label: "Match system" });
  assertEquals(await background(ada), light);
});

browserTest(
  "changes the name in the settings, and checks it there [N1] [N7]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Ben");
    await openSettings(ada);
    const field = ada.locator("#new-name");
    assertEquals(await field.inputValue(), "Ada");
    await field.fill("a!");
    await ada.locator("#dialog .hint", { hasText: "Use letters, digits" }).waitFor();
    await field.press("Enter");
    assert(await ada.isVisible("#dialog"));
    await field.fill("Ida");
    await field.press("Enter");
    await ada.locator("#dialog").waitFor({ state: "hidden" });
    for (const page of [ada, ben]) {
      await page.locator("#people-list li", { hasText: "Ida" }).waitFor();
    }
    assertEquals(await ada.textContent("#me-name"), "Ida");
  },
);

browserTest("leaves Alt and an arrow key to the lists of choices in a dialog", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await openSettings(ada);
  const select = ada.locator("#dialog select").first();
  const isTaken = await select.evaluate((node) => {
    const init = { key: "ArrowDown", altKey: true, bubbles: true, cancelable: true };
    return !node.dispatchEvent(new KeyboardEvent("keydown", init));
  });
  assertEquals(isTaken, false);
  await waitForRoom(ada, "design");
});

browserTest("returns focus when a dialog closes", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.focus("#me");
  await ada.keyboard.press("Enter");
  await ada.locator("#dialog[open]").waitFor();
  for (let i = 0; i < 20; i++) await ada.keyboard.press("Tab");
  // The browser's own bar may have it, but nothing below the dialog.
  assert(
    await ada.evaluate(() =>
      document.activeElement === document.body ||
      document.activeElement?.closest("#dialog") !== null
    ),
  );
  await ada.keyboard.press("Escape");
  await ada.locator("#dialog").waitFor({ state: "hidden" });
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "me");
});

async function deviceLink(page: Page): Promise<string> {
  await openSettings(page);
  await page.click("text=Use this name on another device");
  const link = await page.inputValue("#dialog input[readonly]");
  await page.keyboard.press("Escape");
  return link;
}

browserTest("shows the device link selected, and selects it on a click", async (chat) => {
  const ada = await chat.signIn("Ada");
  await openSettings(ada);
  await ada.click("text=Use this name on another device");
  const field = ada.locator("#dialog input[readonly]");
  const selected = () => field.evaluate(() => String(getSelection()));
  const link = await field.inputValue();
  assertEquals(await selected(), link);
  await field.evaluate((it: HTMLInputElement) => it.setSelectionRange(0, 0));
  assertEquals(await selected(), "");
  await field.click();
  assertEquals(await selected(), link);
});

browserTest(
  "takes a name to another device with a link, and clears the link from the address [N5]",
  async (chat) => {
    const ada = await chat.signIn("Ada (L)");
    const link = await deviceLink(ada);
    assert(/#token=[\w-]{43}&name=Ada\+%28L%29$/.test(link), link);
    const phone = await chat.visit();
    await phone.goto("about:blank");
    await phone.goto(`${link}).`);
    assertEquals(await phone.evaluate(() => location.hash), "");
    await phone.click("text=Continue as Ada (L)");
    await phone.waitForSelector("#app:not([hidden])");
    assertEquals(await phone.textContent("#me-name"), "Ada (L)");
    await send(phone, "from the phone");
    await waitForMessage(ada, "from the phone");
    await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
  },
);

browserTest(
  "removes the token from the address before the page's words have loaded [N5]",
  async (chat) => {
    const link = await deviceLink(await chat.signIn("Ada"));
    const phone = await chat.visit();
    await phone.goto("about:blank");
    await phone.route(/\/assets\/words_/, () => {});
    await phone.goto(link);
    assertEquals(await phone.evaluate(() => location.hash), "");
    await phone.unrouteAll();
  },
);

browserTest("asks before a link replaces a name, in an open page too", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  const tab = await chat.openTab(ben.context());
  await tab.waitForSelector("#app:not([hidden])");
  const link = await deviceLink(ada);
  const follow = (page: Page) =>
    page.evaluate((hash) => location.hash = hash, new URL(link).hash.slice(1));
  await follow(ben);
  await ben.locator("#dialog", { hasText: "replaces Ben" }).waitFor();
  assertEquals(await ben.evaluate(() => location.hash), "");
  await ben.click("#dialog >> text=Close");
  await send(ben, "still Ben");
  await ada.locator(".name", { hasText: "Ben" }).waitFor();
  await follow(ben);
  await ben.click("text=Continue as Ada");
  for (const page of [ben, tab]) {
    await page.locator("#me-name", { hasText: "Ada" }).waitFor();
  }
});

browserTest("ignores a link without token or name", async (chat) => {
  const ada = await chat.signIn("Ada");
  for (const hash of ["token=x&name=Ben", `token=${"a".repeat(43)}`, "token=&name=", "other"]) {
    await ada.evaluate((hash) => location.hash = hash, hash);
  }
  await send(ada, "still Ada");
  await waitForMessage(ada, "still Ada");
  assertEquals(await ada.locator("#dialog[open]").count(), 0);
  assertEquals(await ada.evaluate(() => location.hash), "#other");
});

browserTest("forgets the device after asking", async (chat) => {
  const ada = await chat.signIn("Ada");
  const tab = await chat.openTab(ada.context());
  await tab.waitForSelector("#app:not([hidden])");
  await send(tab, "to be forgotten too");
  await waitForMessage(ada, "to be forgotten too");
  await tab.fill("#text", "half of another");
  await ada.bringToFront();
  await send(ada, "/join design");
  await ada.fill("#text", "half");
  await openSettings(ada);
  await ada.click("text=Forget this device");
  await ada.click("#dialog >> text=Cancel");
  await ada.click("text=Forget this device");
  await ada.click("#dialog .second >> text=Forget this device");
  for (const page of [ada, tab]) {
    await page.waitForSelector("#prompt:not([hidden])");
    assertEquals(await page.inputValue("#prompt-name"), "");
  }
  const remaining = await tab.evaluate(() =>
    [localStorage, sessionStorage].flatMap((storage) =>
      Object.entries(storage).filter(([key, value]) =>
        /Ada|half|design|forgotten/.test(key + value)
      )
    )
  );
  assertEquals(remaining, []);
});

/** Records the notifications and badges of a context's pages, as if the person were away. */
async function recordNotifications(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const shown: string[] = [];
    Object.assign(globalThis, { shown });
    class Notification extends EventTarget {
      static permission = "granted";
      static requestPermission = () => Promise.resolve("granted");
      constructor(title: string, { body }: { body: string }) {
        super();
        shown.push(`${title}: ${body}`);
      }
      close() {}
    }
    Object.assign(globalThis, { Notification });
    navigator.setAppBadge = (count) => Promise.resolve(void shown.push(`badge ${count}`));
    document.hasFocus = () => false;
    Object.defineProperty(document, "hidden", { get: () => true });
  });
}

/** Returns the notifications and badges that a page has shown. */
async function shownBy(page: Page): Promise<string[]> {
  return await page.evaluate(() => (globalThis as unknown as { shown: string[] }).shown);
}

/** Opens two tabs of Ada that record notifications, and one of Ben. */
async function openTwoTabs(chat: TestChat): Promise<[Page, Page, Page]> {
  const context = await chat.newContext();
  await recordNotifications(context);
  const one = await chat.openTab(context);
  await signIn(one, "Ada");
  const two = await chat.openTab(context);
  await two.waitForSelector("#app:not([hidden])");
  return [one, two, await chat.signIn("Ben")];
}

browserTest(
  "notifies about a mention in one tab only, and counts it in every title and badge",
  async (chat) => {
    const [one, two, ben] = await openTwoTabs(chat);
    await send(ben, "no mention");
    await send(ben, "@Ada come and look");
    for (const page of [one, two]) {
      await page.waitForFunction(() => document.title === "(2) #lobby · Parley");
      await waitUntil("the badge counts", async () => (await shownBy(page)).includes("badge 2"));
    }
    const notifications = async () =>
      [...await shownBy(one), ...await shownBy(two)].filter((text) => !text.startsWith("badge"));
    await waitUntil("a tab notifies", async () => (await notifications()).length > 0);
    // Once a tab has notified about a later mention, both have decided about the first.
    await send(ben, "@Ada again");
    await waitUntil("a tab notifies again", async () => (await notifications()).length > 1);
    assertEquals((await notifications()).toSorted(), [
      "Ben in #lobby: @Ada again",
      "Ben in #lobby: @Ada come and look",
    ]);
  },
);

browserTest("doesn't notify about a mention that a focused tab shows", async (chat) => {
  const [one, two, ben] = await openTwoTabs(chat);
  await one.clock.install();
  await one.clock.pauseAt(new Date(Date.now() + 1_000));
  await two.evaluate(() => void (document.hasFocus = () => true));
  await send(ben, "@Ada come and look");
  await waitUntil(
    "the focused tab has handled it",
    () => one.evaluate(() => localStorage.getItem("parley.notified") !== null),
  );
  await waitUntil("the other tab has received it", async () => {
    await one.clock.runFor(1_000);
    return (await one.title()).startsWith("(1) ");
  });
  await one.clock.runFor(1_000);
  for (const page of [one, two]) {
    assertEquals((await shownBy(page)).filter((text) => !text.startsWith("badge")), []);
  }
});

browserTest("doesn't count messages as unread that another tab has shown", async (chat) => {
  const one = await chat.signIn("Ada");
  const two = await chat.openTab(one.context(), "r/design");
  await waitForRoom(two, "design");
  await joinRoom(one, "design");
  await one.click("#room-list >> text=# lobby");
  await waitForRoom(one, "lobby");
  const ben = await chat.signIn("Ben");
  await joinRoom(ben, "design");
  await send(ben, "@Ada come and look");
  await waitForMessage(two, "come and look");
  await ben.click("#room-list >> text=# lobby");
  await send(ben, "and here");
  // By now the first tab has received both messages.
  await waitForMessage(one, "and here");
  await one.locator("#room-list .badge").waitFor({ state: "detached" });
  await waitUntil("the title counts nothing", async () => await one.title() === "#lobby · Parley");
});

browserTest("clears the badge that an earlier visit left", async (chat) => {
  const [one] = await openTwoTabs(chat);
  // Nothing arrived in this visit, so the badge can only be an old one.
  await waitUntil("the badge is cleared", async () => (await shownBy(one)).length > 0);
  assertEquals((await shownBy(one))[0], "badge 0");
});

/** Signs Ada in to a page whose service worker notifies, as if she were away. */
async function signInWithWorker(chat: TestChat, context: BrowserContext): Promise<Page> {
  await context.grantPermissions(["notifications"], { origin: new URL(chat.url).origin });
  await context.addInitScript(() => {
    // As on phones, where only the service worker may notify.
    class Notification extends EventTarget {
      static permission = "granted";
      constructor() {
        super();
        throw new TypeError("Illegal constructor");
      }
    }
    Object.assign(globalThis, { Notification });
    document.hasFocus = () => false;
    // Wait for the promise: asking for notifications too early loses them.
    const { showNotification } = ServiceWorkerRegistration.prototype;
    let count = 0;
    ServiceWorkerRegistration.prototype.showNotification = async function (...args) {
      await showNotification.apply(this, args);
      document.documentElement.dataset.shown = String(++count);
    };
  });
  const ada = await chat.openTab(context);
  await signIn(ada, "Ada");
  await ada.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  return ada;
}

/** Returns the notifications that the service worker shows, once there were `count`. */
async function shownByWorker(page: Page, count: number): Promise<string[]> {
  if (count > 0) await page.waitForSelector(`html[data-shown="${count}"]`);
  return await page.evaluate(async () => {
    const { ready } = navigator.serviceWorker;
    const notifications = await (await ready).getNotifications();
    return notifications.map(({ title, body }) => `${title}: ${body}`);
  });
}

browserTest(
  "opens the room of a service worker's notification",
  async (chat) => {
    const context = await chat.newContext();
    const ada = await signInWithWorker(chat, context);
    const ben = await chat.signIn("Ben");
    for (const page of [ada, ben]) {
      await send(page, "/join design");
      await waitForRoom(page, "design");
    }
    await send(ben, "here it is");
    await waitForMessage(ada, "here it is");
    await ada.click("#room-list >> text=# lobby");
    // As on iPhones, where the constructor shows nothing and doesn't throw.
    await ada.evaluate(() => {
      class Notification extends EventTarget {
        static permission = "granted";
      }
      Object.assign(globalThis, { Notification, matchMedia: () => ({ matches: true }) });
    });
    await send(ben, "@Ada come and look");
    assertEquals(await shownByWorker(ada, 1), ["Ben in #design: @Ada come and look"]);
    const [worker] = context.serviceWorkers();
    await worker?.evaluate(async () => {
      const { registration } = globalThis as unknown as {
        readonly registration: ServiceWorkerRegistration;
      };
      const [notification] = await registration.getNotifications();
      const { NotificationEvent } = globalThis as unknown as {
        readonly NotificationEvent: new (type: string, init: object) => Event;
      };
      dispatchEvent(new NotificationEvent("notificationclick", { notification }));
    });
    await ada.waitForURL(/\/r\/design$/);
    await waitForMessage(ada, "come and look");
    assertEquals(await shownByWorker(ada, 0), []);
  },
  { needsNotifications: true },
);

browserTest(
  "notifies once about messages missed while reconnecting, preferably a mention",
  async (chat) => {
    const context = await chat.newContext();
    const sockets: WebSocketRoute[] = [];
    let whenReachable = Promise.resolve();
    await context.routeWebSocket(/\/ws$/, async (socket) => {
      sockets.push(socket);
      await whenReachable;
      socket.connectToServer();
    });
    const ada = await signInWithWorker(chat, context);
    const ben = await chat.signIn("Ben");
    await send(ben, "before");
    await waitForMessage(ada, "before");
    const { promise, resolve } = Promise.withResolvers<void>();
    whenReachable = promise;
    await sockets.at(-1)?.close({ code: 4100, reason: "lost" });
    for (const text of ["one", "@Ada two", "three"]) await send(ben, text);
    await waitForMessage(ben, "three");
    resolve();
    await waitForMessage(ada, "three");
    assertEquals(await shownByWorker(ada, 1), ["Ben in #lobby: @Ada two"]);
    await send(ben, "@Ada four");
    assertEquals((await shownByWorker(ada, 2)).toSorted(), [
      "Ben in #lobby: @Ada four",
      "Ben in #lobby: @Ada two",
    ]);
  },
  { needsNotifications: true, ...noRateLimit },
);

browserTest("notifies about all messages of a room, or none, as chosen", async (chat) => {
  const [one, two, ben] = await openTwoTabs(chat);
  await two.close();
  const choose = async (label: string) => {
    await openSettings(one);
    await one.getByLabel("Messages in #lobby").selectOption({ label });
    await one.keyboard.press("Escape");
  };
  await choose("None");
  await send(ben, "@Ada silent");
  await waitForMessage(one, "silent");
  await choose("All");
  await send(ben, "loud");
  await waitUntil(
    "a notification is shown",
    async () => (await shownBy(one)).includes("Ben in #lobby: loud"),
  );
  assert(!(await shownBy(one)).some((text) => text.includes("silent")));
});

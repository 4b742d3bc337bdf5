import { assert, assertEquals } from "@std/assert";
import { hears, say, signIn, test, until } from "./browser_harness.ts";
import type { BrowserContext, Page, Scene } from "./browser_harness.ts";

async function openMe(page: Page): Promise<void> {
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
}

test("keeps what was chosen, in all tabs and across a reload", async (scene) => {
  const ada = await scene.enter("Ada", { colorScheme: "light" });
  const other = await scene.tab(ada.context());
  await other.waitForSelector("#app:not([hidden])");
  const paper = (page: Page) =>
    page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await paper(ada);
  await openMe(ada);
  await ada.getByLabel("Theme").selectOption("dark");
  await ada.getByLabel("Density").selectOption("compact");
  assert(await paper(ada) !== light);
  // So has the browser's own bar.
  const bar = await ada.evaluate(() => {
    const metas = document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]');
    return [...metas].filter(({ media }) => matchMedia(media).matches).map(({ content }) =>
      content
    );
  });
  assertEquals(bar, ["#101318"]);
  await until("the other tab follows", async () => await paper(other) !== light);
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  assert(await paper(ada) !== light);
  await openMe(ada);
  assertEquals(await ada.getByLabel("Density").inputValue(), "compact");
  await ada.getByLabel("Theme").selectOption("system");
  assertEquals(await paper(ada), light);
});

test("changes one's name in the panel, and says there what a name must be [N1] [N7]", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await openMe(ada);
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
});

test("gives the focus back when a panel is closed", async (scene) => {
  const ada = await scene.enter("Ada");
  await ada.focus("#me");
  await ada.keyboard.press("Enter");
  await ada.locator("#dialog[open]").waitFor();
  for (let i = 0; i < 20; i++) await ada.keyboard.press("Tab");
  // The browser's own bar may have it, but nothing below the panel.
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

// ------------------------------------------------------------------ devices

async function linkOf(page: Page): Promise<string> {
  await openMe(page);
  await page.click("text=Use this name on another device");
  const link = await page.inputValue("#dialog input[readonly]");
  await page.keyboard.press("Escape");
  return link;
}

test("brings a name to another device by a link that leaves the address at once [N5]", async (scene) => {
  const ada = await scene.enter("Ada L");
  const link = await linkOf(ada);
  assert(/#token=[\w-]{43}&name=Ada\+L$/.test(link), link);
  const phone = await scene.person();
  await phone.goto("about:blank");
  await phone.goto(link);
  assertEquals(await phone.evaluate(() => location.hash), "");
  await phone.click("text=Continue as Ada L");
  await phone.waitForSelector("#app:not([hidden])");
  assertEquals(await phone.textContent("#me-name"), "Ada L");
  await say(phone, "from the phone");
  await hears(ada, "from the phone");
  await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
});

test("asks before a link replaces a name, also in a page that is open", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  const tab = await scene.tab(ben.context());
  await tab.waitForSelector("#app:not([hidden])");
  const link = await linkOf(ada);
  const follow = (page: Page) =>
    page.evaluate((hash) => location.hash = hash, new URL(link).hash.slice(1));
  await follow(ben);
  await ben.locator("#dialog", { hasText: "replaces Ben" }).waitFor();
  assertEquals(await ben.evaluate(() => location.hash), "");
  await ben.click("#dialog >> text=Close");
  await say(ben, "still Ben");
  await ada.locator(".name", { hasText: "Ben" }).waitFor();
  await follow(ben);
  await ben.click("text=Continue as Ada");
  for (const page of [ben, tab]) {
    await page.locator("#me-name", { hasText: "Ada" }).waitFor();
  }
});

test("ignores a link that has no token or no name", async (scene) => {
  const ada = await scene.enter("Ada");
  for (const hash of ["token=x&name=Ben", `token=${"a".repeat(43)}`, "token=&name=", "other"]) {
    await ada.evaluate((hash) => location.hash = hash, hash);
  }
  await say(ada, "still Ada");
  await hears(ada, "still Ada");
  assertEquals(await ada.locator("#dialog[open]").count(), 0);
  assertEquals(await ada.evaluate(() => location.hash), "#other");
});

test("forgets the device, after it has asked", async (scene) => {
  const ada = await scene.enter("Ada");
  const tab = await scene.tab(ada.context());
  await tab.waitForSelector("#app:not([hidden])");
  await say(tab, "to be forgotten too");
  await hears(ada, "to be forgotten too");
  await ada.bringToFront();
  await say(ada, "/join design");
  await ada.fill("#text", "half");
  await openMe(ada);
  await ada.click("text=Forget this device");
  await ada.click("text=Cancel");
  await ada.click("text=Forget this device");
  await ada.click("#dialog .second >> text=Forget this device");
  for (const page of [ada, tab]) {
    await page.waitForSelector("#prompt:not([hidden])");
    assertEquals(await page.inputValue("#prompt-name"), "");
  }
  const kept = await ada.evaluate(() =>
    Object.entries(localStorage).filter(([key, value]) =>
      /Ada|half|design|forgotten/.test(key + value)
    )
  );
  assertEquals(kept, []);
});

// ------------------------------------------------------------------ being told

/** Writes down what the browser would show outside the page. */
async function listen(context: BrowserContext): Promise<void> {
  await context.addInitScript(() => {
    const told: string[] = [];
    Object.assign(globalThis, { told });
    class Notification extends EventTarget {
      static permission = "granted";
      static requestPermission = () => Promise.resolve("granted");
      constructor(title: string, { body }: { body: string }) {
        super();
        told.push(`${title}: ${body}`);
      }
      close() {}
    }
    Object.assign(globalThis, { Notification });
    navigator.setAppBadge = (count) => Promise.resolve(void told.push(`badge ${count}`));
    document.hasFocus = () => false;
    Object.defineProperty(document, "hidden", { get: () => true });
  });
}

async function told(page: Page): Promise<string[]> {
  return await page.evaluate(() => (globalThis as unknown as { told: string[] }).told);
}

async function pair(scene: Scene): Promise<[Page, Page, Page]> {
  const context = await scene.browser.newContext({ locale: "en-GB" });
  await listen(context);
  const one = await scene.tab(context);
  await signIn(one, "Ada");
  const two = await scene.tab(context);
  await two.waitForSelector("#app:not([hidden])");
  return [one, two, await scene.enter("Ben")];
}

test("tells of a mention in one tab only, and counts in the title and on the icon", async (scene) => {
  const [one, two, ben] = await pair(scene);
  await say(ben, "nothing to tell");
  await say(ben, "@Ada come and look");
  for (const page of [one, two]) {
    await page.waitForFunction(() => document.title === "(2) #lobby · Parley");
    assert((await told(page)).includes("badge 2"));
  }
  const said = async () =>
    [...await told(one), ...await told(two)].filter((text) => !text.startsWith("badge"));
  await until("somebody tells", async () => (await said()).length > 0);
  // The turns of both tabs are over when a later message has been told of.
  await say(ben, "@Ada again");
  await until("somebody tells again", async () => (await said()).length > 1);
  assertEquals((await said()).toSorted(), [
    "Ben in #lobby: @Ada again",
    "Ben in #lobby: @Ada come and look",
  ]);
});

test("counts in no tab what was read in another", async (scene) => {
  const one = await scene.enter("Ada");
  const two = await scene.tab(one.context(), "r/design");
  await two.locator("#room-title", { hasText: "# design" }).waitFor();
  await say(one, "/join design");
  await one.locator("#room-title", { hasText: "# design" }).waitFor();
  await one.click("#room-list >> text=# lobby");
  await one.locator("#room-title", { hasText: "# lobby" }).waitFor();
  const ben = await scene.enter("Ben");
  await say(ben, "/join design");
  await ben.locator("#room-title", { hasText: "# design" }).waitFor();
  await say(ben, "@Ada come and look");
  await hears(two, "come and look");
  await ben.click("#room-list >> text=# lobby");
  await say(ben, "and here");
  // By then the first tab has been told of both.
  await hears(one, "and here");
  await one.locator("#room-list .badge").waitFor({ state: "detached" });
  await until("the title counts nothing", async () => await one.title() === "#lobby · Parley");
});

test("takes from the icon what an earlier visit left there", async (scene) => {
  const [one] = await pair(scene);
  // Nothing came in this visit: the count of the one before is still on the icon.
  assertEquals((await told(one))[0], "badge 0");
});

test("leads from a notification that the service worker showed to its room", async (scene) => {
  const context = await scene.browser.newContext({ locale: "en-GB" });
  await context.grantPermissions(["notifications"], { origin: new URL(scene.url).origin });
  await context.addInitScript(() => {
    // As a phone does.
    class Notification extends EventTarget {
      static permission = "granted";
      constructor() {
        super();
        throw new TypeError("Illegal constructor");
      }
    }
    Object.assign(globalThis, { Notification });
    document.hasFocus = () => false;
    // The browser forgets one that it is asked about while it brings it up.
    const { showNotification } = ServiceWorkerRegistration.prototype;
    ServiceWorkerRegistration.prototype.showNotification = async function (...args) {
      await showNotification.apply(this, args);
      document.documentElement.dataset.shown = "1";
    };
  });
  const ada = await scene.tab(context);
  await signIn(ada, "Ada");
  await ada.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  const ben = await scene.enter("Ben");
  for (const page of [ada, ben]) {
    await say(page, "/join design");
    await page.locator("#room-title", { hasText: "# design" }).waitFor();
  }
  await say(ben, "here it is");
  await hears(ada, "here it is");
  await ada.click("#room-list >> text=# lobby");
  await say(ben, "@Ada come and look");
  const shown = () =>
    ada.evaluate(async () => {
      const { ready } = navigator.serviceWorker;
      const notifications = await (await ready).getNotifications();
      return notifications.map(({ title, body }) => `${title}: ${body}`);
    });
  await ada.waitForSelector("html[data-shown]");
  assertEquals(await shown(), ["Ben in #design: @Ada come and look"]);
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
  await hears(ada, "come and look");
  assertEquals(await shown(), []);
});

test("tells of all messages of a room, or of none, as it was chosen", async (scene) => {
  const [one, two, ben] = await pair(scene);
  await two.close();
  const choose = async (when: string) => {
    await openMe(one);
    await one.getByLabel("Messages in #lobby").selectOption(when);
    await one.keyboard.press("Escape");
  };
  await choose("never");
  await say(ben, "@Ada unheard");
  await hears(one, "unheard");
  await choose("always");
  await say(ben, "heard");
  await until("it tells", async () => (await told(one)).includes("Ben in #lobby: heard"));
  assert(!(await told(one)).some((text) => text.includes("unheard")));
});

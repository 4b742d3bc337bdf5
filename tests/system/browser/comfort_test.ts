import { assert, assertEquals } from "@std/assert";
import { hears, say, signIn, test, until } from "./browser_harness.ts";
import type { BrowserContextOptions, Page, Scene } from "./browser_harness.ts";

const long = "W".repeat(24);
const talk = [
  "A line that is long enough to be broken where the page is narrow, and once more after that",
  "https://example.org/" + "very-long-".repeat(20),
  "```\nparley --data-dir /srv/parley --log-dir /var/log/parley --port 9000 --host 127.0.0.1\n```",
  "x".repeat(300),
  "🎉🎉🎉",
];

/** What reaches out of the window at its sides. */
async function outside(page: Page): Promise<string[]> {
  return await page.evaluate(() =>
    [...document.querySelectorAll("body *")].filter((node) => {
      const { left, right, width } = node.getBoundingClientRect();
      // Code scrolls in its own box, and a closed panel waits outside.
      const isApart = node.closest("pre, .side:not(.open)") !== null;
      return width > 0 && !isApart && (left < -0.5 || right > innerWidth + 0.5);
    }).map((node) => node.outerHTML.slice(0, 120))
  );
}

/** Looks at everything that opens, in a window of this kind. */
async function everywhere(
  scene: Scene,
  options: BrowserContextOptions,
  look: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await scene.person({ ...options, reducedMotion: "reduce" });
  await look(page);
  await signIn(page, long);
  for (const text of talk) await say(page, text);
  await until("all are sent", async () => await page.locator("#rows .pending").count() === 0);
  await look(page);
  await page.fill("#text", "/");
  await page.locator("#suggestions:not([hidden])").waitFor();
  await look(page);
  await page.fill("#text", "");
  await say(page, "/help");
  await page.locator("#dialog[open]").waitFor();
  await look(page);
  await page.keyboard.press("Escape");
  if (!await page.isVisible("#me")) {
    await page.click("#room-title");
    await page.locator("#rooms.open").waitFor();
    await look(page);
  }
  await page.click("#me");
  await page.click("text=Use this name on another device");
  await page.click("text=Forget this device");
  await look(page);
  await page.click("text=Cancel");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await say(page, "/who");
  await page.locator("#people-title").waitFor();
  await look(page);
  await page.keyboard.press("Escape");
  await scene.server.end("SIGKILL");
  await page.locator("#status", { hasText: "Reconnecting" }).waitFor();
  await say(page, "not sent yet");
  await look(page);
}

async function fits(page: Page): Promise<void> {
  assertEquals(await outside(page), []);
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  if (await page.isVisible("#composer")) {
    const { bottom } = await page.locator("#composer").boundingBox()
      .then((box) => ({ bottom: (box?.y ?? 0) + (box?.height ?? 0) }));
    assert(bottom <= (page.viewportSize()?.height ?? 0));
  }
}

const unhurried = { RATE_PER_SECOND: "0" };

test("fits into 320 px, everywhere", async (scene) => {
  await everywhere(scene, { viewport: { width: 320, height: 568 } }, fits);
}, unhurried);

test("fits at 200 % of a laptop's window, everywhere", async (scene) => {
  // A browser zooms by making a px larger, of which there are then fewer.
  const viewport = { width: 640, height: 360 };
  await everywhere(scene, { viewport, deviceScaleFactor: 2 }, fits);
}, unhurried);

test("fits on a phone that is turned, and in German", async (scene) => {
  const page = await scene.person({
    viewport: { width: 320, height: 320 },
    hasTouch: true,
    isMobile: true,
    locale: "de",
    reducedMotion: "reduce",
  });
  await signIn(page, long);
  // What stands in the empty field takes one line, however long it is.
  const { height = 0 } = await page.locator("#text").boundingBox() ?? {};
  assert(height > 0 && height < 30, `${height}`);
  await page.fill("#text", "/hilfe");
  await page.click("#send");
  await page.locator("#composer-problem", { hasText: "/hilfe" }).waitFor();
  await fits(page);
  await page.fill("#text", "hallo");
  await page.click("#send");
  await hears(page, "hallo");
  await page.click("#room-title");
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
  await fits(page);
}, unhurried);

test("moves nothing for who wants no motion", async (scene) => {
  const moving = (page: Page) =>
    page.evaluate(() =>
      [...document.querySelectorAll("*")].filter((node) => {
        const { animationName, transitionDuration } = getComputedStyle(node);
        return animationName !== "none" ||
          transitionDuration.split(", ").some((time) => time !== "0s");
      }).length
    );
  const size = { viewport: { width: 600, height: 700 } };
  const calm = await scene.enter("Ada", { ...size, reducedMotion: "reduce" });
  assertEquals(await moving(calm), 0);
  const other = await scene.enter("Ben", { ...size, reducedMotion: "no-preference" });
  assert(await moving(other) > 0);
});

test("shows where one is in forced colours too", async (scene) => {
  const ada = await scene.enter("Ada", { forcedColors: "active" });
  const ben = await scene.enter("Ben");
  await say(ben, "@Ada look");
  await hears(ada, "look");
  const style = (selector: string, name: string) =>
    ada.locator(selector).first().evaluate(
      (node, name) => getComputedStyle(node).getPropertyValue(name),
      name,
    );
  const canvas = await style("body", "background-color");
  assert(await style("#people-list .dot", "background-color") !== canvas);
  assertEquals(await style("#rows .mention", "outline-style"), "solid");
  assertEquals(await style("#room-list [aria-current]", "outline-style"), "solid");
  await ada.fill("#text", "/");
  await ada.locator("#suggestions:not([hidden])").waitFor();
  assertEquals(await style("#suggestions [aria-selected=true]", "outline-style"), "solid");
  await ada.fill("#text", "");
  await ada.focus("#me");
  await ada.keyboard.press("Shift+Tab");
  await ada.keyboard.press("Tab");
  assertEquals(await style("#me", "outline-style"), "solid");
});

test("shows the focus wherever it goes", async (scene) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const ada = await scene.enter(`Ada ${colorScheme}`, { colorScheme });
    await say(ada, "https://example.org/ and `code`\n```\nblock\n```");
    await hears(ada, "block");
    const seen = new Set<string>();
    for (let i = 0; i < 14; i++) {
      await ada.keyboard.press("Tab");
      const [what = "", isShown] = await ada.evaluate(() => {
        const node = document.activeElement;
        if (node === null || node === document.body) return ["the browser", true] as const;
        const shownOn = node.id === "text" ? node.closest("form") ?? node : node;
        const { outlineStyle, outlineWidth } = getComputedStyle(shownOn);
        const isShown = outlineStyle !== "none" && parseFloat(outlineWidth) >= 1;
        return [node.id || node.localName, isShown] as const;
      });
      assert(isShown, `${what} in ${colorScheme}`);
      seen.add(what);
    }
    for (const what of ["text", "log", "a", "pre", "me"]) assert(seen.has(what), what);
    await ada.context().close();
  }
});

test("works on a slow network, and shows what it has meanwhile", async (scene) => {
  const ben = await scene.enter("Ben");
  await say(ben, "here before you");
  await hears(ben, "here before you");
  const context = await scene.browser.newContext({ locale: "en-GB" });
  const ada = await context.newPage();
  const devtools = await context.newCDPSession(ada);
  await devtools.send("Network.enable");
  // A train: 400 ms there and back, 50 kB a second.
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 400,
    downloadThroughput: 50_000,
    uploadThroughput: 50_000,
  });
  await ada.goto(scene.server.url, { waitUntil: "commit" });
  // A name that is typed before the script has come is not lost, and Enter does not send the form away.
  await ada.fill("#prompt-name", "Ada");
  await ada.press("#prompt-name", "Enter");
  await ada.click("#prompt-go");
  await ada.waitForSelector("#app:not([hidden])");
  assertEquals(new URL(ada.url()).search, "");
  await hears(ada, "here before you");
  // Typed before what helps to write has come.
  await say(ada, "from the train");
  await say(ada, "and once more");
  await hears(ben, "and once more");
  await ada.click("#me");
  await ada.locator("#dialog[open]").waitFor();
});

test(
  "asks for notifications only by a click, and makes no sound until it was chosen",
  async (scene) => {
    const context = await scene.browser.newContext({ locale: "en-GB" });
    await context.addInitScript(() => {
      const told: string[] = [];
      Object.assign(globalThis, { told });
      class Notification extends EventTarget {
        static permission = "default";
        static requestPermission = () => {
          told.push("asked");
          Notification.permission = "granted";
          return Promise.resolve("granted");
        };
        constructor(title: string) {
          super();
          told.push(title);
        }
        close() {}
      }
      class Sound {
        currentTime = 0;
        destination = {};
        createGain = () => ({ gain: {}, connect() {} });
        createOscillator = () => ({ frequency: {}, connect() {}, start() {}, stop() {} });
        close = () => Promise.resolve();
        constructor() {
          told.push("sound");
        }
      }
      Object.assign(globalThis, { Notification, AudioContext: Sound });
      document.hasFocus = () => false;
    });
    const ada = await scene.tab(context);
    await signIn(ada, "Ada");
    const ben = await scene.enter("Ben");
    const told = () => ada.evaluate(() => (globalThis as unknown as { told: string[] }).told);
    await say(ben, "@Ada one");
    await hears(ada, "one");
    await ada.click("#me");
    await ada.locator("#dialog[open]").waitFor();
    assertEquals(await told(), []);
    await ada.click("text=Allow notifications");
    await ada.locator("#dialog", { hasText: "Notifications are on" }).waitFor();
    assertEquals(await told(), ["asked"]);
    await ada.keyboard.press("Escape");
    await say(ben, "@Ada two");
    await until("it tells", async () => (await told()).includes("Ben in #lobby"));
    assertEquals(await told(), ["asked", "Ben in #lobby"]);
    await ada.click("#me");
    await ada.getByLabel("Play a sound").check();
    // So that it is known.
    await until("it sounds", async () => (await told()).at(-1) === "sound");
    await ada.keyboard.press("Escape");
    await say(ben, "@Ada three");
    await until("it tells again", async () => (await told()).length === 5);
    assertEquals((await told()).slice(3).toSorted(), ["Ben in #lobby", "sound"]);
  },
  unhurried,
);

test("traps the focus in a panel that floats", async (scene) => {
  const ada = await scene.enter("Ada", { viewport: { width: 390, height: 700 } });
  await say(ada, "hello");
  await hears(ada, "hello");
  await ada.focus("#room-title");
  await ada.keyboard.press("Enter");
  await ada.locator("#rooms.open").waitFor();
  for (let i = 0; i < 12; i++) {
    await ada.keyboard.press("Tab");
    const where = await ada.evaluate(() =>
      document.activeElement === document.body
        ? "the browser"
        : document.activeElement?.closest("#rooms, #shade")?.id
    );
    assert(where !== undefined && where !== "", `after ${i + 1} keys`);
  }
  await ada.keyboard.press("Escape");
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "room-title");
});

// Small windows, keyboards, slow networks, and no sound or motion that was not asked for.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  noRateLimit,
  openSettings,
  send,
  sharedServerOnly,
  signIn,
  waitForMessage,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";
import type { BrowserContextOptions, Page, TestChat } from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

const longName = "W".repeat(24);
const messages = [
  "A line that is long enough to wrap where the page is narrow, and once more after that",
  "https://example.org/" + "very-long-".repeat(20),
  "```\nparley --data-dir /srv/parley --log-dir /var/log/parley --port 9000 --host 127.0.0.1\n```",
  "x".repeat(300),
  "🎉🎉🎉",
];

/** Returns the elements that reach beyond the sides of the window, or of their dialog. */
async function overflowing(page: Page): Promise<string[]> {
  return await page.evaluate(() =>
    [...document.querySelectorAll("body *")].filter((node) => {
      const { left, right, width } = node.getBoundingClientRect();
      const frame = node.parentElement?.closest("dialog")?.getBoundingClientRect();
      const [start, end] = [frame?.left ?? 0, frame?.right ?? innerWidth];
      // Code scrolls in its own box, and closed panels wait outside.
      const isAllowed = node.closest("pre, .side:not(.open)") !== null;
      return width > 0 && !isAllowed && (left < start - 0.5 || right > end + 0.5);
    }).map((node) => node.outerHTML.slice(0, 120))
  );
}

/** Opens everything that can be opened, and checks each view. */
async function checkEveryView(
  chat: TestChat,
  options: BrowserContextOptions,
  check: (page: Page) => Promise<void>,
): Promise<void> {
  const page = await chat.visit({ ...options, reducedMotion: "reduce" });
  await check(page);
  await signIn(page, longName);
  for (const text of messages) await send(page, text);
  await waitForSent(page);
  await check(page);
  await page.fill("#text", "/");
  await page.locator("#suggestions:not([hidden])").waitFor();
  await check(page);
  await page.fill("#text", "");
  await send(page, "/help");
  await page.locator("#dialog[open]").waitFor();
  await check(page);
  await page.keyboard.press("Escape");
  if (!await page.isVisible("#me")) {
    await page.click("#room-title");
    await page.locator("#rooms.open").waitFor();
    await check(page);
  }
  await page.click("#me");
  await page.click("text=Use this name on another device");
  await page.click("text=Forget this device");
  await check(page);
  await page.click("#dialog >> text=Cancel");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await send(page, "/who");
  await page.locator("#people-title").waitFor();
  await check(page);
  await page.keyboard.press("Escape");
  await chat.killServer();
  await page.locator("#status", { hasText: "Reconnecting" }).waitFor();
  await send(page, "not sent yet");
  await check(page);
}

async function assertFits(page: Page): Promise<void> {
  assertEquals(await overflowing(page), []);
  assert(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  if (await page.isVisible("#composer")) {
    const { bottom } = await page.locator("#composer").boundingBox()
      .then((box) => ({ bottom: (box?.y ?? 0) + (box?.height ?? 0) }));
    assert(bottom <= (page.viewportSize()?.height ?? 0));
  }
}

browserTest("fits every view into 320 px", async (chat) => {
  await checkEveryView(chat, { viewport: { width: 320, height: 568 } }, assertFits);
}, { ...noRateLimit, needsProcess: true });

browserTest("fits every view on a laptop at 200 % zoom", async (chat) => {
  // Zoom makes each px larger, so fewer fit.
  const viewport = { width: 640, height: 360 };
  await checkEveryView(chat, { viewport, deviceScaleFactor: 2 }, assertFits);
}, { ...noRateLimit, needsProcess: true });

browserTest("fits the help and the focus on results into 320 px in German", async (chat) => {
  const page = await chat.signIn("Ada", { viewport: { width: 320, height: 568 }, locale: "de" });
  await send(page, "/help");
  const dialog = page.locator("#dialog[open]");
  assertEquals(await dialog.evaluate((node) => node.scrollWidth - node.clientWidth), 0);
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.locator("#dialog .directory button").first().waitFor();
  await page.keyboard.press("ArrowDown");
  const room = await page.locator("#dialog .directory button:focus").boundingBox();
  const list = await page.locator("#dialog .directory").boundingBox();
  // The outline, 2 px wide and 2 px away, must not be clipped.
  assert((room?.x ?? 0) - (list?.x ?? 0) >= 4);
});

browserTest("fits a small square screen in German", async (chat) => {
  const page = await chat.visit({
    viewport: { width: 320, height: 320 },
    hasTouch: true,
    isMobile: true,
    locale: "de",
    reducedMotion: "reduce",
  });
  await signIn(page, longName);
  // However long the placeholder is, the empty field has one line.
  const { height = 0 } = await page.locator("#text").boundingBox() ?? {};
  assert(height > 0 && height < 30, `${height}`);
  await page.fill("#text", "/hilfe");
  await page.click("#send");
  await page.locator("#composer-problem", { hasText: "/hilfe" }).waitFor();
  await assertFits(page);
  await page.fill("#text", "hallo");
  await page.click("#send");
  await waitForMessage(page, "hallo");
  await page.click("#room-title");
  await page.click("#me");
  await page.locator("#dialog[open]").waitFor();
  await assertFits(page);
  await page.click("text=Dieses Gerät vergessen");
  await page.locator("#dialog", { hasText: "Abbrechen" }).waitFor();
  await assertFits(page);
}, noRateLimit);

browserTest("shows messages above the keyboard of a phone on its side", async (chat) => {
  const { ada, server } = await signInScripted(chat, {
    viewport: { width: 640, height: 170 },
    hasTouch: true,
    isMobile: true,
  });
  server.publish("lobby", { text: "first" }, { text: "second" });
  await waitForMessage(ada, "second");
  await ada.tap("#text");
  const { height = 0 } = await ada.locator("#log").boundingBox() ?? {};
  assert(height > 60, `${height} px`);
  // Without the keyboard, the header leads to the rooms.
  await ada.setViewportSize({ width: 640, height: 330 });
  await ada.locator("#room-title").waitFor();
}, sharedServerOnly);

browserTest("animates nothing for people who prefer reduced motion", async (chat) => {
  const moving = (page: Page) =>
    page.evaluate(() =>
      [...document.querySelectorAll("*")].filter((node) => {
        const { animationName, transitionDuration } = getComputedStyle(node);
        return animationName !== "none" ||
          transitionDuration.split(", ").some((time) => time !== "0s");
      }).length
    );
  const size = { viewport: { width: 600, height: 700 } };
  const reduced = await chat.signIn("Ada", { ...size, reducedMotion: "reduce" });
  assertEquals(await moving(reduced), 0);
  const other = await chat.signIn("Ben", { ...size, reducedMotion: "no-preference" });
  assert(await moving(other) > 0);
});

browserTest(
  "says that it did not start, even with reduced motion",
  async (chat) => {
    const page = await chat.visit({ javaScriptEnabled: false, reducedMotion: "reduce" });
    const name = await page.locator("#not-started").evaluate((node) =>
      getComputedStyle(node).animationName
    );
    assertEquals(name, "reveal");
  },
  sharedServerOnly,
);

browserTest("prints the whole conversation, dark on light, and nothing else", async (chat) => {
  const viewport = { width: 800, height: 400 };
  const { ada, server } = await signInScripted(chat, { viewport, colorScheme: "dark" });
  const long = Array.from({ length: 30 }, (_, i) => `line ${i}`).join("\n");
  server.publish("lobby", ...Array.from({ length: 30 }, () => ({})), { text: long });
  await waitForMessage(ada, "line 29");
  await ada.emulateMedia({ media: "print" });
  const page = await ada.evaluate(() => {
    const log = document.querySelector("#log");
    const style = getComputedStyle(document.documentElement);
    return {
      isWhole: log?.scrollHeight === log?.clientHeight,
      height: document.documentElement.scrollHeight,
      end: document.querySelector("#rows article:last-child .text")?.getBoundingClientRect().height,
      scheme: style.colorScheme,
      background: style.backgroundColor,
    };
  });
  assert(page.isWhole);
  assert((page.end ?? 0) > 30 * 20, `${page.end}`);
  assert(page.height > (page.end ?? 0) + 30 * 20, `${page.height}`);
  assertEquals([page.scheme, page.background], ["light", "oklch(0.99 0.005 95)"]);
  for (const id of ["rooms", "people", "composer"]) {
    assert(await ada.locator(`#${id}`).isHidden(), id);
  }
}, sharedServerOnly);

browserTest("marks presence, mentions and the current room in forced colors", async (chat) => {
  const ada = await chat.signIn("Ada", { forcedColors: "active" });
  const ben = await chat.signIn("Ben");
  await send(ben, "@Ada look");
  await waitForMessage(ada, "look");
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

browserTest("shows where the focus is on every focusable element", async (chat) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const ada = await chat.signIn(`Ada ${colorScheme}`, { colorScheme });
    await send(ada, "https://example.org/ and `code`\n```\nblock\n```");
    await waitForMessage(ada, "block");
    const seen = new Set<string>();
    for (let i = 0; i < 40 && !seen.has("text"); i++) {
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

browserTest("works on a slow network before everything has loaded", async (chat) => {
  const ben = await chat.signIn("Ben");
  await send(ben, "here before you");
  await waitForMessage(ben, "here before you");
  const context = await chat.newContext();
  const ada = await context.newPage();
  const devtools = await context.newCDPSession(ada);
  await devtools.send("Network.enable");
  // As on a train: round trips of 400 ms, 50 kB a second.
  await devtools.send("Network.emulateNetworkConditions", {
    offline: false,
    latency: 400,
    downloadThroughput: 50_000,
    uploadThroughput: 50_000,
  });
  await ada.goto(chat.server.url, { waitUntil: "commit" });
  // A name typed before the script runs is kept, and Enter does not submit the form to the server.
  await ada.fill("#prompt-name", "Ada");
  await ada.press("#prompt-name", "Enter");
  await ada.click("#prompt-go");
  await ada.waitForSelector("#app:not([hidden])");
  assertEquals(new URL(ada.url()).search, "");
  await waitForMessage(ada, "here before you");
  // Before the composer's aids have loaded.
  await send(ada, "from the train");
  await send(ada, "and once more");
  await waitForMessage(ben, "and once more");
  await openSettings(ada);
});

browserTest(
  "asks for permission to notify only on a click, and plays no sound until sound is on",
  async (chat) => {
    const ada = await chat.newVisitor();
    await ada.addInitScript(() => {
      const calls: string[] = [];
      Object.assign(globalThis, { calls });
      class Notification extends EventTarget {
        static permission = "default";
        static requestPermission = () => {
          calls.push("asked");
          Notification.permission = "granted";
          return Promise.resolve("granted");
        };
        constructor(title: string) {
          super();
          calls.push(title);
        }
        close() {}
      }
      class Sound {
        currentTime = 0;
        destination = {};
        createGain = () => {
          calls.push("sound");
          return { gain: {}, connect() {}, disconnect() {} };
        };
        createOscillator = () => ({ frequency: {}, connect() {}, start() {}, stop() {} });
        resume = () => {
          if (globalThis.event?.type === "click") calls.push("started by a click");
          return Promise.resolve();
        };
        suspend = () => Promise.resolve();
      }
      Object.assign(globalThis, { Notification, AudioContext: Sound });
      document.hasFocus = () => false;
    });
    await chat.enter(ada, "Ada");
    const ben = await chat.signIn("Ben");
    const calls = () => ada.evaluate(() => (globalThis as unknown as { calls: string[] }).calls);
    await send(ben, "@Ada one");
    await waitForMessage(ada, "one");
    await openSettings(ada);
    assertEquals(await calls(), []);
    await ada.click("text=Allow notifications");
    await ada.locator("#dialog", { hasText: "Notifications are on" }).waitFor();
    assertEquals(await calls(), ["asked"]);
    await ada.keyboard.press("Escape");
    await send(ben, "@Ada two");
    await waitUntil(
      "a notification is shown",
      async () => (await calls()).includes("Ben in #lobby"),
    );
    assertEquals(await calls(), ["asked", "Ben in #lobby"]);
    await ada.click("#me");
    await ada.getByLabel("Play a sound").check();
    // The setting plays a sample.
    await waitUntil("the sound is played", async () => (await calls()).at(-1) === "sound");
    await ada.keyboard.press("Escape");
    await send(ben, "@Ada three");
    await waitUntil("both have followed", async () => (await calls()).length === 5);
    assertEquals((await calls()).slice(3).toSorted(), ["Ben in #lobby", "sound"]);
    // Mobile Safari plays sounds only after a tap has started the audio.
    await ada.reload();
    await waitForMessage(ada, "three");
    await ada.click("#me");
    await ada.keyboard.press("Escape");
    await ada.click("#log");
    assertEquals(await calls(), ["started by a click"]);
    await send(ben, "@Ada four");
    await waitUntil("the sound is played", async () => (await calls()).at(-1) === "sound");
  },
  noRateLimit,
);

browserTest("keeps focus inside an open panel", async (chat) => {
  const ada = await chat.signIn("Ada", { viewport: { width: 390, height: 700 } });
  await send(ada, "hello");
  await waitForMessage(ada, "hello");
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

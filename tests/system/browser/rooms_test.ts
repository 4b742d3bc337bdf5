// Rooms: their messages, addresses, limits and panels.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  messageTexts,
  noRateLimit,
  send,
  signIn,
  waitForMessage,
  waitForRoom,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

/** Waits until an element can be clicked. */
async function waitForReachable(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().click({ trial: true });
}

browserTest(
  "shows each room's own messages even if their offsets are equal",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Ben");
    for (const page of [ada, ben]) await joinRoom(page, "design");
    await send(ben, "first of design");
    await waitForMessage(ada, "first of design");
    await ada.click("#room-list >> text=# lobby");
    await ben.click("#room-list >> text=# lobby");
    await send(ben, "first of lobby");
    await waitForMessage(ada, "first of lobby");
    assertEquals(await messageTexts(ada), ["first of lobby"]);
    await ada.click("#room-list >> text=# design");
    await waitForMessage(ada, "first of design");
    assertEquals(await messageTexts(ada), ["first of design"]);
  },
);

browserTest("sends to a new room from the moment it is opened", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "hello");
  await waitForMessage(ada, "hello");
  // Both in one task, which leaves the page no frame to draw in between.
  await ada.evaluate(() => {
    const text = document.querySelector<HTMLTextAreaElement>("#text");
    const form = document.querySelector<HTMLFormElement>("#composer");
    for (const typed of ["/join design", "a blue one"]) {
      if (text !== null) text.value = typed;
      text?.dispatchEvent(new Event("input"));
      form?.requestSubmit();
    }
  });
  await waitForRoom(ada, "design");
  await waitForMessage(ada, "a blue one");
  assertEquals(await messageTexts(ada), ["a blue one"]);
  await ada.click("#room-list >> text=# lobby");
  await waitForMessage(ada, "hello");
  assertEquals(await messageTexts(ada), ["hello"]);
  assertEquals(await ada.inputValue("#text"), "");
});

browserTest(
  "keeps the current room when an address would exceed the limit [L4]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    for (let i = 1; i < 20; i++) await joinRoom(ada, `room-${i}`);
    await send(ada, "/join room-20");
    await ada.locator("#composer-problem", { hasText: "You're in 20 rooms" }).waitFor();
    await ada.goto(`${chat.server.url}r/room-20`);
    await waitForRoom(ada, "room-19");
    await ada.locator("#composer-problem", { hasText: "You're in 20 rooms" }).waitFor();
    assert(ada.url().endsWith("/r/room-19"));
    await send(ada, "still here");
    await waitForMessage(ada, "still here");
    await send(ada, "/leave");
    await waitForRoom(ada, "room-18");
    await joinRoom(ada, "room-20");
  },
  noRateLimit,
);

browserTest(
  "refuses to leave the only room, or one with unsent messages, and says why",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await send(ada, "/leave");
    await ada.locator("#composer-problem", { hasText: "Join another room" }).waitFor();
    await joinRoom(ada, "design");
    await chat.killServer();
    await ada.locator("#me-state", { hasText: "offline" }).waitFor();
    await send(ada, "unsent");
    await send(ada, "/leave");
    await ada.locator("#composer-problem", { hasText: "are unsent" }).waitFor();
    await waitForRoom(ada, "design");
    assertEquals(await messageTexts(ada), ["unsentWill send when you're back online"]);
  },
  { needsProcess: true },
);

browserTest("opens a panel only where it is hidden, and returns focus", async (chat) => {
  const ada = await chat.signIn("Ada", { viewport: { width: 1200, height: 700 } });
  const focused = () => ada.evaluate(() => document.activeElement?.id ?? "");
  for (
    const [width, peopleFloat, roomsFloat] of [
      [1200, false, false],
      [800, true, false],
      [390, true, true],
    ] as const
  ) {
    await ada.setViewportSize({ width, height: 700 });
    await ada.click("#room-title");
    assertEquals(await ada.isVisible("#shade"), roomsFloat, `rooms at ${width}`);
    if (roomsFloat) await ada.waitForFunction(() => document.activeElement?.closest("#rooms"));
    await waitForReachable(ada, "#me");
    assertEquals(await ada.locator("#talk[inert]").count(), roomsFloat ? 1 : 0);
    await ada.keyboard.press("Escape");
    assertEquals(await focused(), roomsFloat ? "room-title" : "text");
    await send(ada, "/who");
    await ada.locator("#people-title").waitFor();
    assertEquals(await ada.isVisible("#shade"), peopleFloat, `people at ${width}`);
    assertEquals(await focused(), "people-title");
    await waitForReachable(ada, "#people-list li");
    await ada.keyboard.press("Escape");
    assert(!await ada.isVisible("#shade"));
    await waitForReachable(ada, "#text");
  }
  await send(ada, "/who");
  await ada.setViewportSize({ width: 1200, height: 700 });
  await ada.locator("#shade").waitFor({ state: "hidden" });
  await send(ada, "reached");
  await waitForMessage(ada, "reached");
});

browserTest("keeps a half-typed name and its hint when the page redraws", async (chat) => {
  await chat.signIn("Ada");
  const other = await chat.visit();
  await other.fill("#prompt-name", "Ada");
  await other.click("#prompt-go");
  await other.locator("#prompt-hint", { hasText: "taken" }).waitFor();
  await other.fill("#prompt-name", "a!");
  await other.locator("#prompt-hint", { hasText: "Use letters" }).waitFor();
  await other.focus("#prompt-go");
  // A lost connection and a network change redraw the page.
  await chat.killServer();
  await other.evaluate(() => dispatchEvent(new Event("offline")));
  await other.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  assertEquals(await other.evaluate(() => document.activeElement?.id), "prompt-go");
  assert(await other.isVisible("text=Use letters"));
}, { needsProcess: true });

browserTest("keeps a long name inside 320 px", async (chat) => {
  const name = "W".repeat(24);
  const ada = await chat.signIn(name, { viewport: { width: 320, height: 600 } });
  await send(ada, "short");
  await waitForMessage(ada, "short");
  const ben = await chat.visit({ viewport: { width: 320, height: 600 } });
  await signIn(ben, "Ben");
  await waitForMessage(ben, "short");
  for (const page of [ada, ben]) {
    const overflowing = await page.evaluate(() =>
      [...document.querySelectorAll("#app *")].filter((node) =>
        node.closest(".side") === null && node.getBoundingClientRect().right > innerWidth
      ).map((node) => node.outerHTML)
    );
    assertEquals(overflowing, []);
    assertEquals(await page.evaluate(() => document.querySelector("#log")?.scrollWidth), 320);
  }
});

browserTest("opens and closes rooms in all tabs of a browser", async (chat) => {
  const first = await chat.signIn("Ada");
  const second = await chat.openTab(first.context());
  const rooms = second.locator("#room-list");
  await rooms.locator("text=# lobby").waitFor();
  await joinRoom(first, "design");
  await rooms.locator("text=# design").waitFor();
  await first.click("text=New private room");
  await rooms.locator("text=# Private room").waitFor();
  await first.fill("#room-label", "Secret garden");
  await first.click("#dialog >> text=Close");
  await rooms.locator("text=# Secret garden").click();
  await send(second, "psst");
  await waitForMessage(first, "psst");
  await first.click("#room-list >> text=# lobby");
  await send(first, "/join design");
  await send(first, "/leave");
  await rooms.locator("text=# design").waitFor({ state: "detached" });
  await second.reload();
  await rooms.locator("text=# Secret garden").waitFor();
  assertEquals(await rooms.locator("text=# design").count(), 0);
});

browserTest("follows other tabs after a time in the back/forward cache", async (chat) => {
  const ada = await chat.signIn("Ada");
  // A page hears nothing of its own changes, as it hears nothing of others in the cache.
  const goBack = () =>
    ada.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await ada.evaluate(() => {
    localStorage.setItem("parley.rooms", '["lobby", "design"]');
    localStorage.setItem("parley.settings", '{"theme": "dark"}');
  });
  await goBack();
  await ada.locator("#room-list >> text=# design").waitFor();
  await ada.locator(":root[data-theme=dark]").waitFor();
  await ada.evaluate(() => localStorage.removeItem("parley.profile"));
  await goBack();
  await ada.locator("#prompt-name:focus").waitFor();
  assertEquals(await ada.inputValue("#prompt-name"), "");
});

browserTest("brings the current room into view in a long list", async (chat) => {
  const ada = await chat.newVisitor({ viewport: { width: 1280, height: 400 } });
  const names = ["lobby", ...Array.from({ length: 19 }, (_, i) => `room-${i}`)];
  await ada.addInitScript(
    (names) => localStorage.setItem("parley.rooms", JSON.stringify(names)),
    names,
  );
  await chat.enter(ada, "Ada");
  for (const [key, name] of [["Up", "room-18"], ["Down", "lobby"]]) {
    await ada.keyboard.press(`Alt+Arrow${key}`);
    await waitForRoom(ada, name ?? "");
    const isShown = await ada.locator("#room-list [aria-current]").evaluate((entry) => {
      const { left, top, bottom } = entry.getBoundingClientRect();
      return [top, bottom - 1].every((y) =>
        entry.contains(document.elementFromPoint(left + 20, y))
      );
    });
    assert(isShown, name);
  }
});

browserTest("offers a similar room after /join", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "/join My Room");
  await ada.locator("#composer-problem", { hasText: "Try my-room." }).waitFor();
  await ada.fill("#text", "");
  await ada.fill("#room-name", "My Room");
  await ada.press("#room-name", "Enter");
  await ada.locator("#room-hint", { hasText: /hyphens\. Open #my-room$/ }).waitFor();
});

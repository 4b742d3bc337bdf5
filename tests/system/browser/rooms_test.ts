import { assert, assertEquals } from "@std/assert";
import { hears, say, signIn, test, texts } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

async function openRoom(page: Page, name: string): Promise<void> {
  await say(page, `/join ${name}`);
  await shows(page, name);
}

async function shows(page: Page, name: string): Promise<void> {
  await page.locator("#room-title", { hasText: `# ${name}` }).waitFor();
}

/** Waits until an element can be clicked where it is. */
async function isReachable(page: Page, selector: string): Promise<void> {
  await page.locator(selector).first().click({ trial: true });
}

test("shows of each room its own messages, though they have the same places", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  for (const page of [ada, ben]) await openRoom(page, "design");
  await say(ben, "first of design");
  await hears(ada, "first of design");
  await ada.click("#room-list >> text=# lobby");
  await ben.click("#room-list >> text=# lobby");
  await say(ben, "first of lobby");
  await hears(ada, "first of lobby");
  assertEquals(await texts(ada), ["first of lobby"]);
  await ada.click("#room-list >> text=# design");
  await hears(ada, "first of design");
  assertEquals(await texts(ada), ["first of design"]);
});

test(
  "stays in a room that there is when an address would be one room too many [L4]",
  async (scene) => {
    const ada = await scene.enter("Ada");
    for (let i = 1; i < 20; i++) await openRoom(ada, `room-${i}`);
    await say(ada, "/join room-20");
    await ada.locator("#composer-problem", { hasText: "You're in 20 rooms" }).waitFor();
    await ada.goto(`${scene.server.url}r/room-20`);
    await shows(ada, "room-19");
    await ada.locator("#composer-problem", { hasText: "You're in 20 rooms" }).waitFor();
    assert(ada.url().endsWith("/r/room-19"));
    await say(ada, "still here");
    await hears(ada, "still here");
    await say(ada, "/leave");
    await shows(ada, "room-18");
    await openRoom(ada, "room-20");
  },
  { RATE_PER_SECOND: "0" },
);

test("leaves no room in which a message waits to be sent, and says why", async (scene) => {
  const ada = await scene.enter("Ada");
  await say(ada, "/leave");
  await ada.locator("#composer-problem", { hasText: "Join another room" }).waitFor();
  await openRoom(ada, "design");
  await scene.server.end("SIGKILL");
  await ada.locator("#me-state", { hasText: "not connected" }).waitFor();
  await say(ada, "waits");
  await say(ada, "/leave");
  await ada.locator("#composer-problem", { hasText: "are unsent" }).waitFor();
  await shows(ada, "design");
  assertEquals(await texts(ada), ["waitsWill send when you're back online"]);
});

test("opens a panel only where it floats, and gives the focus back", async (scene) => {
  const ada = await scene.enter("Ada", { viewport: { width: 1200, height: 700 } });
  const focused = () => ada.evaluate(() => document.activeElement?.id ?? "");
  for (
    const [width, person, rooms] of [
      [1200, false, false],
      [800, true, false],
      [390, true, true],
    ] as const
  ) {
    await ada.setViewportSize({ width, height: 700 });
    await ada.click("#room-title");
    assertEquals(await ada.isVisible("#shade"), rooms, `rooms at ${width}`);
    await isReachable(ada, "#me");
    assertEquals(await ada.locator("#talk[inert]").count(), rooms ? 1 : 0);
    await ada.keyboard.press("Escape");
    assertEquals(await focused(), rooms ? "room-title" : "text");
    await say(ada, "/who");
    await ada.locator("#people-title").waitFor();
    assertEquals(await ada.isVisible("#shade"), person, `people at ${width}`);
    await isReachable(ada, "#people-list li");
    await ada.keyboard.press("Escape");
    assert(!await ada.isVisible("#shade"));
    await isReachable(ada, "#text");
  }
  await say(ada, "/who");
  await ada.setViewportSize({ width: 1200, height: 700 });
  await ada.locator("#shade").waitFor({ state: "hidden" });
  await say(ada, "reached");
  await hears(ada, "reached");
});

test("does not touch the name that is being typed while it asks for one", async (scene) => {
  await scene.enter("Ada");
  const other = await scene.person();
  await other.fill("#prompt-name", "Ada");
  await other.click("#prompt-go");
  await other.locator("#prompt-hint", { hasText: "taken" }).waitFor();
  await other.fill("#prompt-name", "a!");
  await other.locator("#prompt-hint", { hasText: "Use letters" }).waitFor();
  await other.focus("#prompt-go");
  // What draws the page anew: the connection ends, and the network changes.
  await scene.server.end("SIGKILL");
  await other.evaluate(() => dispatchEvent(new Event("offline")));
  await other.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  assertEquals(await other.evaluate(() => document.activeElement?.id), "prompt-go");
  assert(await other.isVisible("text=Use letters"));
});

test("keeps a long name inside the page at 320 px", async (scene) => {
  const name = "W".repeat(24);
  const ada = await scene.enter(name, { viewport: { width: 320, height: 600 } });
  await say(ada, "short");
  await hears(ada, "short");
  const ben = await scene.person({ viewport: { width: 320, height: 600 } });
  await signIn(ben, "Ben");
  await hears(ben, "short");
  for (const page of [ada, ben]) {
    const wide = await page.evaluate(() =>
      [...document.querySelectorAll("#app *")].filter((node) =>
        node.closest(".side") === null && node.getBoundingClientRect().right > innerWidth
      ).map((node) => node.outerHTML)
    );
    assertEquals(wide, []);
    assertEquals(await page.evaluate(() => document.querySelector("#log")?.scrollWidth), 320);
  }
});

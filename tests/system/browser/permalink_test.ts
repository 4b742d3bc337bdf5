// Links to single messages: /r/{room}/{offset}.

import { assert, assertEquals } from "@std/assert";
import { browserTest, waitForMessage, waitUntil } from "./browser_harness.ts";
import type { Page, TestChat } from "./browser_harness.ts";
import { ScriptedServer } from "./scripted_server.ts";

const isShared = { isShared: true };

/** Opens an address of a chat whose lobby has 400 messages: "line 1." to "line 400.". */
async function open(chat: TestChat, path: string): Promise<Page> {
  const server = new ScriptedServer();
  const lines = Array.from({ length: 399 }, (_, i) => ({ text: `line ${i + 1}.` }));
  server.append("lobby", ...lines, { text: "line 400.", reply: 10 });
  const page = await chat.newVisitor();
  await server.attach(page);
  await chat.enter(page, "Ada", path);
  return page;
}

/** Waits until a message is marked and in view. */
async function waitForTarget(page: Page, text: string): Promise<void> {
  await page.locator("article.target[aria-current]", { hasText: text }).waitFor();
  await waitUntil(`${text} is in view`, () =>
    page.evaluate(() => {
      const box = document.querySelector("article.target")?.getBoundingClientRect();
      const log = document.querySelector("#log")?.getBoundingClientRect();
      return box !== undefined && log !== undefined && box.top >= log.top &&
        box.bottom <= log.bottom;
    }));
}

/** Returns the numbers of the loaded lines, and whether the page announces missing ones. */
async function loadedLines(page: Page) {
  const texts = await page.locator("#rows .text").allTextContents();
  const numbers = texts.map((text) => Number(/line (\d+)/.exec(text)?.[1]));
  const hasNewer = await page.getByText("There are newer messages").count() > 0;
  return { numbers, hasNewer };
}

function assertWithoutHoles(numbers: readonly number[]): void {
  const [first = 0] = numbers;
  assertEquals(numbers, numbers.map((_, i) => first + i));
}

browserTest(
  "opens a message that is not loaded, leaves it for the latest, and goes back",
  async (chat) => {
    const page = await open(chat, "r/lobby/150");
    await waitForTarget(page, "line 150.");
    const { numbers, hasNewer } = await loadedLines(page);
    assertWithoutHoles(numbers);
    assertEquals([hasNewer, numbers.includes(400)], [true, false]);
    await page.getByText("Jump to latest").click();
    await waitForMessage(page, "line 400.");
    await page.getByText("Jump to latest").waitFor({ state: "hidden" });
    assertEquals(new URL(page.url()).pathname, "/");
    assertWithoutHoles((await loadedLines(page)).numbers);
    await page.goBack();
    await waitForTarget(page, "line 150.");
    assertEquals(new URL(page.url()).pathname, "/r/lobby/150");
  },
  isShared,
);

browserTest(
  "loads the messages after a linked one up to the latest, without gaps",
  async (chat) => {
    const page = await open(chat, "r/lobby/40");
    await waitForTarget(page, "line 40.");
    await waitUntil("the latest message is loaded", async () => {
      await page.evaluate(() => document.querySelector("#log")?.scrollBy(0, 2_000));
      const { numbers } = await loadedLines(page);
      assertWithoutHoles(numbers);
      return numbers.includes(400);
    });
    assertEquals((await loadedLines(page)).hasNewer, false);
  },
  isShared,
);

browserTest("says that a message no longer exists", async (chat) => {
  const page = await open(chat, "r/lobby/999");
  await page.locator("#composer-problem", { hasText: "no longer exists" }).waitFor();
  await waitForMessage(page, "line 400.");
  assertEquals(new URL(page.url()).pathname, "/");
}, isShared);

browserTest("leads from a reply to its original, and back", async (chat) => {
  const page = await open(chat, "");
  await page.getByText("Message 10", { exact: true }).click();
  await waitForTarget(page, "line 10.");
  assertEquals(new URL(page.url()).pathname, "/r/lobby/10");
  await page.goBack();
  await waitForMessage(page, "line 400.");
  await page.getByText("Jump to latest").waitFor({ state: "hidden" });
  assertEquals((await loadedLines(page)).hasNewer, false);
  assertEquals(await page.locator("article.target").count(), 0);
}, isShared);

browserTest(
  "stays at a message when the conversation is resized before it is drawn",
  async (chat) => {
    const page = await open(chat, "");
    await waitForMessage(page, "line 400.");
    const scrollTop = await page.evaluate(async () => {
      const log = document.querySelector("#log");
      const head = document.querySelector<HTMLElement>(".head");
      if (log === null || head === null) return -1;
      const frame = () => new Promise(requestAnimationFrame);
      await frame();
      log.scrollTop = 1_000;
      head.style.paddingBottom = "40px";
      await frame();
      await frame();
      return log.scrollTop;
    });
    // The conversation has lost less than 40 pixels.
    assert(scrollTop >= 1_000 && scrollTop <= 1_040, `${scrollTop}`);
  },
  isShared,
);

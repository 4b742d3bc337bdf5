// Getting in: the prompt, the access code, and the first view of a room.

import { assert, assertEquals } from "@std/assert";
import { browserTest, joinRoom, send, signIn, waitForMessage } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

const accessCode = "open-sesame";
const withCode = { env: { ACCESS_CODE: accessCode } };

async function enterCode(page: Page, code: string): Promise<void> {
  await page.fill("#prompt-access input", code);
  await page.click("#prompt-go");
}

async function signInWithCode(page: Page): Promise<void> {
  await page.fill("#prompt-name", "Ada");
  await page.click("#prompt-go");
  await enterCode(page, accessCode);
  await page.waitForSelector("#app:not([hidden])");
}

browserTest("says on the first visit that it is a chat and needs no account", async (chat) => {
  const page = await chat.visit();
  await page.locator("#prompt", { hasText: "A chat. No account needed." }).waitFor();
});

browserTest("asks once for the access code, and keeps it across a reload [N13]", async (chat) => {
  const ada = await chat.visit();
  assert(!await ada.isVisible("#prompt-access"));
  await ada.fill("#prompt-name", "Ada");
  await ada.click("#prompt-go");
  await ada.locator("#prompt-hint", { hasText: "This chat needs an access code" }).waitFor();
  assertEquals(await ada.evaluate(() => document.activeElement?.getAttribute("name")), "access");
  await enterCode(ada, "sesame");
  await ada.locator("#prompt-hint", { hasText: "Wrong access code" }).waitFor();
  assertEquals(await ada.getAttribute("#prompt-access input", "aria-invalid"), "true");
  assertEquals(await ada.getAttribute("#prompt-name", "aria-invalid"), "false");
  await enterCode(ada, accessCode);
  await ada.waitForSelector("#app:not([hidden])");
  await send(ada, "inside");
  await waitForMessage(ada, "inside");
  await ada.reload();
  await waitForMessage(ada, "inside");
  await ada.locator("#room-about", { hasText: "1 here" }).waitFor();
  assert(!await ada.isVisible("#prompt"));
}, withCode);

browserTest("accepts an access code that was copied with spaces", async (chat) => {
  const ada = await chat.visit();
  await ada.fill("#prompt-name", "Ada");
  await ada.click("#prompt-go");
  await enterCode(ada, ` ${accessCode}  `);
  await ada.waitForSelector("#app:not([hidden])");
}, withCode);

browserTest("asks for a changed access code, in the reader's language", async (chat) => {
  const ada = await chat.visit({ locale: "de" });
  await signInWithCode(ada);
  await chat.killServer();
  await chat.startServer({ ACCESS_CODE: "open-barley" });
  await ada.locator("#prompt-hint", { hasText: "Falscher Zugangscode" }).waitFor();
  await ada.locator("#prompt-access", { hasText: "Zugangscode" }).waitFor();
  assertEquals(await ada.inputValue("#prompt-name"), "Ada");
  await enterCode(ada, "open-barley");
  await ada.waitForSelector("#app:not([hidden])");
}, { ...withCode, needsProcess: true });

browserTest(
  "says how long messages are kept, and in an empty room that it isn't private [R11]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await ada.locator("#room-about", { hasText: "messages kept for 30 days" }).waitFor();
    await ada.locator("#rows .empty", { hasText: "This room isn't private" }).waitFor();
    await ada.setViewportSize({ width: 320, height: 600 });
    await ada.locator("#people-toggle", { hasText: "1 here" }).waitFor();
    const kept = ada.locator("#room-kept");
    assertEquals(
      await kept.evaluate((node) => node.parentElement?.scrollWidth),
      await kept.evaluate((node) => node.parentElement?.clientWidth),
    );
    await send(ada, "not empty any more");
    await waitForMessage(ada, "not empty any more");
    assertEquals(await ada.locator("#rows .empty").count(), 0);
  },
  { env: { RETENTION_DAYS: "30" } },
);

browserTest("offers an empty room's link for sharing", async (chat) => {
  const ada = await chat.signIn("Ada", { permissions: ["clipboard-read", "clipboard-write"] });
  await joinRoom(ada, "garden");
  const address = `${chat.url}r/garden`;
  assertEquals(await ada.locator("#rows .empty a").getAttribute("href"), address);
  await ada.click("#rows .empty button");
  await ada.locator("#rows .empty button", { hasText: "Copied" }).waitFor();
  assertEquals(await ada.evaluate(() => navigator.clipboard.readText()), address);
});

browserTest(
  "can be used without a mouse, from the first key to the first message",
  async (chat) => {
    const ada = await chat.visit();
    await ada.locator("#prompt-name:focus").waitFor();
    await ada.keyboard.type("Ada");
    await ada.keyboard.press("Enter");
    await ada.waitForSelector("#app:not([hidden])");
    await ada.keyboard.type("by keys alone");
    await ada.keyboard.press("Enter");
    await waitForMessage(ada, "by keys alone");
    // Walk back from the composer over everything that takes the focus.
    const reached = new Set<string>();
    for (let i = 0; i < 12; i++) {
      await ada.keyboard.press("Shift+Tab");
      reached.add(await ada.evaluate(() => document.activeElement?.id ?? ""));
    }
    for (const id of ["log", "room-title", "me", "room-name"]) assert(reached.has(id), id);
  },
);

browserTest("hides the members from strangers without the access code [N13]", async (chat) => {
  const ada = await chat.visit();
  await signInWithCode(ada);
  const ben = await chat.visit();
  await ben.fill("#prompt-name", "Ben");
  await ben.click("#prompt-go");
  await ben.locator("#prompt-hint", { hasText: "This chat needs an access code" }).waitFor();
  assertEquals(await ben.textContent("#prompt-here"), "");
}, withCode);

browserTest("ignores an invalid stored profile", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.evaluate(() => {
    localStorage.setItem("parley.profile", '{"username":"<b>","token":7,"access":[1]}');
  });
  await ada.reload();
  await ada.waitForSelector("#prompt:not([hidden])");
  assertEquals(await ada.inputValue("#prompt-name"), "");
  await signIn(ada, "Ida");
});

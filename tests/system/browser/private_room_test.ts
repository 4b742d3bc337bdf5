// Private rooms: two people who share a link, and a server that cannot read or forge what they write.

import { assert, assertEquals } from "@std/assert";
import { browserTest, messageTexts, send, signIn, waitForMessage } from "./browser_harness.ts";
import type { Page, TestChat } from "./browser_harness.ts";

/** Makes a private room, and returns its link. */
async function makeRoom(page: Page): Promise<string> {
  await page.click("text=New private room");
  const link = await page.inputValue("#dialog input[readonly]");
  await page.click("#dialog >> text=Close");
  return link;
}

/** Opens a link in a new browser. */
async function follow(chat: TestChat, link: string, name: string): Promise<Page> {
  const page = await chat.openTab(await chat.newContext(), link.slice(chat.url.length));
  await signIn(page, name);
  return page;
}

browserTest("shares a private room by its link, which nobody else can read [S3]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const link = await makeRoom(ada);
  assert(/^http:\S+\/r\/p-[a-z2-7]{30}#[\w-]{43}$/.test(link), link);
  assertEquals(ada.url(), link.split("#")[0]);
  await send(ada, "Good morning");
  const ben = await follow(chat, link, "Ben");
  await waitForMessage(ben, "Good morning");
  assertEquals(ben.url(), link.split("#")[0]);
  await send(ben, "Good morning, Ada");
  await waitForMessage(ada, "Good morning, Ada");
  for (const page of [ada, ben]) {
    assertEquals(await messageTexts(page), ["Good morning", "Good morning, Ada"]);
    assertEquals(await page.textContent("#room-title"), "# Private room");
  }
});

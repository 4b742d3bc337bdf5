// Moderating in the page: the code, a ban with its sweep, the list, and hiding a person's messages.

import { assertEquals } from "@std/assert";
import {
  browserTest,
  choose,
  joinRoom,
  noRateLimit,
  send,
  waitForMessage,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";

const code = "keep-the-peace";
const moderated = { env: { ...noRateLimit.env, MODERATOR_CODE: code } };

async function enterCode(page: Page, typed: string): Promise<void> {
  await page.fill("#moderator-code", typed);
  await page.press("#moderator-code", "Enter");
}

browserTest(
  "bans a member, deletes its messages, shows it the reason, and lifts the ban",
  async (chat) => {
    const mona = await chat.signIn("Mona");
    const troll = await chat.signIn("Troll");
    await send(troll, "spam");
    await waitForMessage(mona, "spam");
    await send(mona, "/moderate");
    await mona.locator("#moderator-code:focus").waitFor();
    await enterCode(mona, "a-wrong-guess");
    await mona.locator("#dialog", { hasText: "Wrong moderator code." }).waitFor();
    // Spaces may have been copied with it.
    await enterCode(mona, ` ${code} `);
    await mona.locator("#dialog", { hasText: "Nobody is muted or banned." }).waitFor();
    await mona.keyboard.press("Escape");
    assertEquals(await mona.locator("#status").textContent(), "");

    await choose(mona, "spam", "Mute, ban or hide…");
    const dialog = mona.locator("#dialog[open]");
    // The whole test comes from localhost.
    await dialog.getByText("Also ban their network (not possible)").waitFor();
    await dialog.getByText("Ban", { exact: true }).click();
    await dialog.getByText("Banned: Troll").waitFor();
    await mona.locator("#rows", { hasText: "Message deleted" }).waitFor();
    await troll.locator("#status", { hasText: "A moderator has banned you until" }).waitFor();
    await troll.reload();
    await troll.locator("#prompt-hint", { hasText: "A moderator has banned you until" }).waitFor();

    await dialog.getByText("Lift").click();
    await dialog.getByText("Nobody is muted or banned.").waitFor();
    await mona.keyboard.press("Escape");
    await troll.locator("#prompt-go").click();
    await send(troll, "sorry");
    await waitForMessage(mona, "sorry");

    await mona.locator("#people-list").getByLabel("Actions for Troll").click();
    await dialog.getByText("Mute", { exact: true }).click();
    await dialog.getByText("Muted: Troll").waitFor();
    await mona.keyboard.press("Escape");
    await send(troll, "still here");
    await troll.locator("#log", { hasText: "A moderator has muted you until" }).waitFor();
    await choose(mona, "sorry", "Delete");
    await mona.locator(".menu").getByText("Delete", { exact: true }).click();
    await troll.locator("#rows", { hasText: "sorry" }).waitFor({ state: "detached" });
  },
  moderated,
);

browserTest("locks a room's title, and removes it", async (chat) => {
  const mona = await chat.signIn("Mona");
  const ben = await chat.signIn("Ben");
  await send(ben, "Hello");
  await waitForMessage(mona, "Hello");
  await send(mona, "/moderate");
  await enterCode(mona, code);
  const dialog = mona.locator("#dialog[open]");
  await mona.fill("#title-field", "House rules");
  await dialog.getByText("Set and lock").click();
  const header = ben.locator("#room-title", { hasText: "House rules" });
  await header.waitFor();
  await send(ben, "/title Mine");
  await ben.getByText("A moderator has locked this title.").waitFor();
  await mona.fill("#title-field", "");
  await dialog.getByText("Set", { exact: true }).click();
  await header.waitFor({ state: "hidden" });
  await send(ben, "/title Ours");
  await mona.locator("#room-title", { hasText: "Ours" }).waitFor();
}, moderated);

browserTest("shows in the dialog why a title was refused", async (chat) => {
  const mona = await chat.signIn("Mona");
  await send(mona, "/moderate");
  await enterCode(mona, code);
  await mona.fill("#title-field", "Nothing here yet");
  await mona.press("#title-field", "Enter");
  const reason = "Write a message before you give this room a title.";
  await mona.locator("#dialog").getByText(reason).waitFor();
}, moderated);

browserTest("lists a room's titles, and deletes one that has been replaced", async (chat) => {
  const ben = await chat.signIn("Ben");
  const header = ben.locator("#room-title");
  await send(ben, "Hello");
  for (const title of ["Rude words", "Kaffee & Kuchen"]) {
    await send(ben, `/title ${title}`);
    await header.getByText(title).waitFor();
  }
  const [cy, mona] = await Promise.all([chat.signIn("Cy"), chat.signIn("Mona")]);
  await send(cy, "/title");
  await cy.locator("#dialog").getByText("Rude words").waitFor();
  assertEquals(await cy.locator("#dialog").getByText("Delete").count(), 0);

  await send(mona, "/moderate");
  await enterCode(mona, code);
  const dialog = mona.locator("#dialog");
  await dialog.getByText("All titles of this room").click();
  const rude = dialog.locator("section .line", { hasText: "Rude words" });
  await rude.getByText("Delete").click();
  await rude.waitFor({ state: "detached" });
  await dialog.getByText("Kaffee & Kuchen").waitFor();
  const room = await fetch(`${chat.url}r/lobby`, { headers: { accept: "application/json" } });
  assertEquals(/Rude|Kuchen/g.exec(await room.text())?.[0], "Kuchen");

  await send(ben, "/title");
  await ben.locator("#dialog section .line", { hasText: "Kuchen" }).getByText("Delete").click();
  await ben.locator("#dialog").getByText("Kuchen").waitFor({ state: "detached" });
  await header.getByText("Kuchen").waitFor({ state: "detached" });
}, moderated);

browserTest("hides a person's messages in one browser, and shows them again", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ben, "Buy now");
  await waitForMessage(ada, "Buy now");
  await send(ada, "No, thanks");
  await choose(ada, "Buy now", "Hide this person…");
  await ada.locator("#dialog").getByText("Hide messages").click();
  const spam = ada.locator("#rows article", { hasText: "Buy now" });
  await spam.waitFor({ state: "hidden" });
  await ada.reload();
  await waitForMessage(ada, "No, thanks");
  await spam.waitFor({ state: "hidden" });
  await joinRoom(ada, "garden");
  await send(ben, "Buy more, @Ada");
  await waitForMessage(ben, "Buy more");
  const cy = await chat.signIn("Cy");
  await send(cy, "Good morning");
  await waitUntil("one message is unread", async () => (await ada.title()).startsWith("(1) "));
  await joinRoom(ada, "lobby");
  await waitForMessage(ada, "Good morning");
  await waitUntil("all is read", async () => (await ada.title()).startsWith("#lobby"));
  await send(ada, "Really");
  const visible = ada.locator("#rows article:not([inert])");
  await visible.filter({ hasText: "Really" }).waitFor();
  assertEquals(await visible.filter({ hasText: "Buy" }).count(), 0);
  await ada.locator("#me").click();
  await ada.locator("#dialog section", { hasText: "Hidden people" })
    .getByText("Show messages").click();
  await ada.keyboard.press("Escape");
  await spam.waitFor();
}, noRateLimit);

browserTest(
  "shows a hidden person's text in no reply, and not that they are typing",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Ben");
    const cy = await chat.signIn("Cy");
    await send(ben, "Buy now");
    await waitForMessage(cy, "Buy now");
    await choose(cy, "Buy now", "Reply");
    await send(cy, "Stop that");
    await waitForMessage(ada, "Stop that");
    const quote = ada.locator("#rows .quote");
    await quote.filter({ hasText: "Ben: Buy now" }).waitFor();
    await ada.locator("#people-list li", { hasText: "Ben" }).getByRole("button").click();
    await ada.locator("#dialog").getByText("Hide messages").click();
    await quote.filter({ hasText: /^Hidden message$/ }).waitFor();
    await ben.type("#text", "more");
    await cy.type("#text", "ok");
    await ada.locator("#typing", { hasText: "Cy" }).waitFor();
    assertEquals(await ada.locator("#typing").textContent(), "Cy is typing…");
  },
  noRateLimit,
);

browserTest("keeps focus when a menu or a dialog ends or changes", async (chat) => {
  const ada = await chat.signIn("Ada");
  const waitForFocus = (selector: string) =>
    ada.waitForFunction((selector) => document.activeElement?.matches(selector), selector);
  await send(ada, "a slip");
  await waitForSent(ada);
  await ada.locator("#rows article", { hasText: "a slip" }).hover();
  await ada.click(".bar >> text=More");
  await ada.click(".menu >> text=Delete");
  await ada.click(".menu .primary");
  await ada.locator("#rows", { hasText: "Message deleted" }).waitFor();
  await ada.mouse.move(0, 0);
  await waitForFocus("#text");
  await ada.evaluate(() => document.querySelector("textarea")?.blur());
  await ada.keyboard.press("Control+k");
  await waitForFocus("#dialog input");
  await ada.keyboard.press("Escape");
  await waitForFocus("#text");
  await send(ada, "/moderate");
  await ada.fill("#moderator-code", code);
  await ada.keyboard.press("Enter");
  await ada.locator("#dialog", { hasText: "Nobody is muted" }).waitFor();
  await waitForFocus("#dialog *");
}, moderated);

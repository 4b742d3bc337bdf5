// Editing, deleting and replying to messages, with the mouse, by keys, on a phone, and offline.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  choose,
  joinRoom,
  messageTexts,
  noRateLimit,
  send,
  sharedServerOnly,
  waitForMessage,
  waitForRoom,
  waitForSent,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

/** Points at a message and opens its menu. */
async function openMenu(page: Page, text: string): Promise<void> {
  await page.locator("#rows article", { hasText: text }).hover();
  await page.locator(".bar").getByText("More").click();
  await page.locator(".menu[open]").waitFor();
}

browserTest(
  "edits the last message with ↑, cancels with Esc, and shows others the new text",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Ben");
    await send(ada, "Helo");
    await waitForMessage(ben, "Helo");
    await ada.press("#text", "ArrowUp");
    assertEquals(await ada.inputValue("#text"), "Helo");
    await ada.locator(".writing", { hasText: "Editing · Esc to cancel" }).waitFor();
    await ada.press("#text", "Escape");
    assertEquals(await ada.inputValue("#text"), "");
    await ada.press("#text", "ArrowUp");
    await send(ada, "Hello");
    for (const page of [ada, ben]) await waitForMessage(page, "Hello edited");
    assert(await ben.locator(".edited").getAttribute("title") !== "");
    assertEquals(await ada.locator(".writing").isHidden(), true);
    await ben.reload();
    await waitForMessage(ben, "Hello edited");
  },
  noRateLimit,
);

browserTest(
  "explains why an empty edit does nothing, and keeps the text of an edit whose message is gone",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await send(ada, "Helo");
    await waitForSent(ada);
    await ada.press("#text", "ArrowUp");
    await send(ada, "");
    await ada.locator("#composer-problem", { hasText: "To remove the message, delete it." })
      .waitFor();
    await ada.fill("#text", "Hello to all");
    const tab = await ada.context().newPage();
    await tab.goto(ada.url());
    await waitForMessage(tab, "Helo");
    await openMenu(tab, "Helo");
    await tab.locator(".menu").getByText("Delete").click();
    await tab.locator(".menu").getByText("Delete", { exact: true }).click();
    await ada.locator("#composer-problem", { hasText: "This message no longer exists." }).waitFor();
    assertEquals(await ada.inputValue("#text"), "Hello to all");
    assertEquals(await ada.locator(".writing").isHidden(), true);
  },
);

browserTest("resumes an edit or a reply when its room is shown again", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  const show = async (name: string) => {
    await ada.click(`#room-list >> text=# ${name}`);
    await waitForRoom(ada, name);
  };
  const state = async () => [
    await ada.inputValue("#text"),
    await ada.locator(".writing span").filter({ visible: true }).allTextContents(),
  ];
  await show("lobby");
  await send(ada, "Helo");
  await waitForSent(ada);
  await ada.press("#text", "ArrowUp");
  await ada.keyboard.type(" to all");
  await show("design");
  assertEquals(await state(), ["", []]);
  await send(ada, "In between");
  await waitForMessage(ada, "In between");
  await show("lobby");
  assertEquals(await state(), ["Helo to all", ["Editing · Esc to cancel"]]);
  // A command is not part of the edit.
  await send(ada, "/join design");
  await waitForRoom(ada, "design");
  await show("lobby");
  assertEquals(await state(), ["", []]);
  await openMenu(ada, "Helo");
  await ada.locator(".menu").getByText("Reply").click();
  await ada.keyboard.type("Hi");
  await show("design");
  await show("lobby");
  assertEquals(await state(), ["Hi", ["Replying to Ada: Helo · Esc to cancel"]]);
  await ada.press("#text", "Enter");
  await ada.locator(".quote", { hasText: "Ada: Helo" }).waitFor();
});

browserTest("keeps a reply across a reload with its draft, until it is sent", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "question");
  await waitForSent(ada);
  await choose(ada, "question", "Reply");
  await ada.keyboard.type("ans");
  await ada.reload();
  await ada.locator(".writing", { hasText: "Replying to Ada: question" }).waitFor();
  await ada.keyboard.type("wer");
  await ada.keyboard.press("Enter");
  await ada.locator("#rows article", { hasText: "answer" }).locator(".quote").waitFor();
  await ada.fill("#text", "more");
  await ada.reload();
  await waitForMessage(ada, "answer");
  await ada.locator("#room-here:not(:empty)").waitFor();
  assertEquals(await ada.inputValue("#text"), "more");
  assertEquals(await ada.locator(".writing").isVisible(), false);
});

browserTest("deletes a message for everyone, and forgets its text", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ada, "my password");
  await waitForMessage(ben, "my password");
  await openMenu(ben, "my password");
  assertEquals(await ben.locator(".menu button").allTextContents(), [
    "Reply",
    "Copy link",
    "Copy text",
    "Hide this person…",
  ]);
  await ben.keyboard.press("Escape");
  await openMenu(ada, "my password");
  await ada.locator(".menu").getByText("Delete").click();
  await ada.locator(".menu").getByText("Delete", { exact: true }).click();
  for (const page of [ada, ben]) {
    await waitForMessage(page, "Message deleted");
    const stored = await page.evaluate(() =>
      JSON.stringify({ ...localStorage, ...sessionStorage })
    );
    assert(!stored.includes("my password"), stored);
    assert(!(await page.content()).includes("my password"));
  }
}, noRateLimit);

browserTest("replies to a message, and shows the start of the original", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ada, "Who has the key?");
  await waitForMessage(ben, "Who has the key?");
  await ben.locator("#rows article", { hasText: "Who has the key?" }).hover();
  await ben.locator(".bar").getByText("Reply").click();
  await ben.locator(".writing", { hasText: "Replying to Ada: Who has the key?" }).waitFor();
  await send(ben, "I do");
  await ada.locator(".quote", { hasText: "Ada: Who has the key?" }).waitFor();
  await ada.press("#text", "ArrowUp");
  await send(ada, "Who has the *other* key?");
  await ben.locator(".quote", { hasText: "Ada: Who has the *other* key?" }).waitFor();
  await send(ada, "It is under the mat");
  await waitForMessage(ben, "under the mat");
  await ben.locator("#rows article", { hasText: "under the mat" }).hover();
  await ben.locator(".bar").getByText("Reply").click();
  await openMenu(ada, "under the mat");
  await ada.locator(".menu").getByText("Delete", { exact: true }).click();
  await ada.locator(".menu").getByText("Delete", { exact: true }).click();
  await ben.locator(".writing", { hasText: "Replying to Ada: Message deleted" }).waitFor();
}, noRateLimit);

browserTest(
  "keeps edits and deletions made offline, and sends them later",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    for (const text of ["one", "two"]) {
      await send(ada, text);
      await waitForSent(ada);
    }
    await ada.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
    await chat.killServer();
    await send(ada, "three");
    await ada.press("#text", "ArrowUp");
    await send(ada, "drei");
    await openMenu(ada, "one");
    await ada.locator(".menu").getByText("Edit").click();
    await send(ada, "eins");
    await openMenu(ada, "two");
    await ada.locator(".menu").getByText("Delete").click();
    await ada.locator(".menu").getByText("Delete", { exact: true }).click();
    for (const text of ["eins", "Message deleted", "drei"]) {
      const state = ada.locator("#rows .text", { hasText: text }).locator(".state");
      await state.getByText("Will send when you're back online").waitFor();
    }
    await ada.reload();
    await ada.locator("#rows .text", { hasText: "drei" }).waitFor();
    await chat.startServer();
    const ben = await chat.signIn("Ben");
    await waitForMessage(ben, "drei");
    await waitForMessage(ben, "eins edited");
    await waitForMessage(ben, "Message deleted");
    assertEquals(await messageTexts(ben), ["eins edited", "Message deleted", "drei"]);
  },
  { ...noRateLimit, needsWorker: true, needsProcess: true },
);

browserTest("selects messages and their actions with the keyboard", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", { text: "first" }, { text: "second", reply: 1 });
  await waitForMessage(ada, "second");
  await ada.focus("#log");
  /** Returns what screen readers read of the focused message, besides its label. */
  const description = () =>
    ada.evaluate(() =>
      document.activeElement?.getAttribute("aria-describedby")?.split(" ")
        .map((id) => document.getElementById(id)?.textContent)
    );
  const hint = "Press Enter for actions";
  await ada.keyboard.press("ArrowUp");
  assertEquals(await description(), ["Ben: first", "second", hint]);
  await ada.keyboard.press("ArrowUp");
  assertEquals(await description(), ["first", hint]);
  assertEquals(await ada.locator(".bar").isVisible(), true);
  await ada.keyboard.press("Enter");
  await ada.keyboard.press("ArrowDown");
  assertEquals(await ada.evaluate(() => document.activeElement?.textContent), "Copy link");
  await ada.keyboard.press("ArrowUp");
  await ada.keyboard.press("Enter");
  await ada.locator(".writing", { hasText: "Replying to Ben: first" }).waitFor();
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
  await ada.locator(".writing button").press("Enter");
  await ada.locator(".writing").waitFor({ state: "hidden" });
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
}, { isShared: true });

browserTest("keeps the focus on a message that is edited or deleted", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  for (const text of ["first", "second"]) {
    await send(ben, text);
    await waitForMessage(ada, text);
  }
  await ada.focus("#log");
  await ada.keyboard.press("ArrowUp");
  const focused = ada.locator("#rows article:focus");
  await focused.getByText("second").waitFor();
  await ben.keyboard.press("ArrowUp");
  await send(ben, "changed");
  await focused.getByText("changed").waitFor();
  await choose(ben, "changed", "Delete");
  await ben.locator(".menu").getByText("Delete", { exact: true }).click();
  await focused.getByText("Message deleted").waitFor();
  await ada.keyboard.press("ArrowUp");
  await focused.getByText("first").waitFor();
  // If the focus has left the message, it stays where it is.
  await ada.keyboard.press("Escape");
  await ben.keyboard.press("ArrowUp");
  await send(ben, "changed, too");
  await waitForMessage(ada, "changed, too");
  await ada.locator("#text:focus").waitFor();
}, noRateLimit);

browserTest('says "Copied" only in the menu that was copied from', async (chat) => {
  const { ada, server } = await signInScripted(chat);
  await ada.evaluate(() => {
    const copied = Promise.withResolvers<void>();
    navigator.clipboard.writeText = () => copied.promise;
    Object.assign(globalThis, { allowCopy: copied.resolve });
  });
  server.publish("lobby", { text: "first" }, { text: "second" });
  await choose(ada, "first", "Copy text");
  await ada.keyboard.press("Escape");
  await openMenu(ada, "second");
  await ada.evaluate(() => (globalThis as unknown as { allowCopy(): void }).allowCopy());
  assertEquals(await ada.locator(".menu [role=status]").textContent(), "");
  await ada.locator(".menu").getByText("Copy text").click();
  await ada.locator(".menu", { hasText: "Copied" }).waitFor();
  await ada.locator(".menu").waitFor({ state: "hidden" });
}, sharedServerOnly);

browserTest("shows the actions of a message whose first line is above the view", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.locator("#text").fill("line\n".repeat(90));
  await ada.keyboard.press("Enter");
  await ada.locator("#rows .unfold").click();
  await ada.locator("#rows .unfold").scrollIntoViewIfNeeded();
  await ada.locator("#rows .unfold").hover();
  const bar = await ada.locator(".bar").boundingBox();
  const log = await ada.locator("#log").boundingBox();
  assertEquals(bar?.y, log?.y);
  await ada.locator(".bar").getByText("Edit").click();
  await ada.locator(".writing", { hasText: "Editing" }).waitFor();
}, noRateLimit);

browserTest("shows the actions of a message where its first line ends", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", { text: "first" }, { text: "שלום" });
  const bar = ada.locator(".bar");
  await ada.locator("#rows .text", { hasText: "first" }).hover();
  const text = await ada.locator("#rows .text").first().boundingBox() ?? { x: 0, width: 0 };
  const { x = 0, width = 0 } = await bar.boundingBox() ?? {};
  assert(x + width >= text.x + text.width);
  await ada.locator("#rows .text", { hasText: "שלום" }).hover();
  assertEquals((await bar.boundingBox())?.x, text.x);
}, sharedServerOnly);

browserTest("opens a message's actions on a long press on a phone", async (chat) => {
  const { ada, server } = await signInScripted(chat, {
    viewport: { width: 360, height: 640 },
    hasTouch: true,
    isMobile: true,
  });
  server.publish("lobby", { text: "first" });
  const box = await ada.locator("#rows .text", { hasText: "first" }).boundingBox();
  if (box === null) throw new Error("Cannot find the message");
  const session = await ada.context().newCDPSession(ada);
  const touchPoints = [{ x: box.x + 10, y: box.y + 10 }];
  await session.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints });
  await ada.locator(".menu[open]").waitFor();
  await session.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  await ada.locator(".menu").getByText("Reply").click();
  await ada.locator(".writing", { hasText: "Ben: first" }).waitFor();
}, { isShared: true });

browserTest("shows a room's title in its header and in the lists", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "hi");
  await waitForSent(ada);
  await send(ada, "/title Tea & biscuits");
  await ada.locator("#room-title", { hasText: "# lobby Tea & biscuits" }).waitFor();
  await ada.locator("#room-list", { hasText: "Tea & biscuits" }).waitFor();
  await ada.reload();
  await ada.locator("#room-title", { hasText: "Tea & biscuits" }).waitFor();
  await send(ada, "/title \u2800");
  await ada.locator("#composer-problem", { hasText: "Titles have 1 to 60" }).waitFor();
  // A long title leaves space for the note on how long messages are kept.
  await send(ada, `/title ${"Wide title ".repeat(5)}`);
  await ada.locator("#room-title", { hasText: "Wide title" }).waitFor();
  await ada.setViewportSize({ width: 900, height: 600 });
  const isCut = await ada.locator("#room-about").evaluate((it) => it.scrollWidth > it.clientWidth);
  assert(!isCut);
}, noRateLimit);

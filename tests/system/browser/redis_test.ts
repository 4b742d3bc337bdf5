// The page on a server that stores everything in Redis: the common actions, and a restart.

import { assertEquals } from "@std/assert";
import {
  browserTest,
  choose,
  messageTexts,
  noRateLimit,
  send,
  waitForMessage,
  waitForSent,
} from "./browser_harness.ts";

const code = "keep-the-peace";

browserTest(
  "on Redis posts, edits, deletes, sets a title and moderates, and shows it all after a restart",
  async (chat) => {
    const mona = await chat.signIn("Mona");
    const ben = await chat.signIn("Ben");
    await send(ben, "Helo");
    await waitForMessage(mona, "Helo");
    await ben.press("#text", "ArrowUp");
    await send(ben, "Hello");
    await waitForMessage(mona, "Hello edited");
    await send(ben, "my password");
    await waitForMessage(mona, "my password");
    await choose(ben, "my password", "Delete");
    await ben.locator(".menu").getByText("Delete", { exact: true }).click();
    await mona.locator("#rows", { hasText: "Message deleted" }).waitFor();
    await send(ben, "/title Tea & biscuits");
    await mona.locator("#room-title", { hasText: "Tea & biscuits" }).waitFor();

    await send(mona, "/moderate");
    await mona.fill("#moderator-code", code);
    await mona.press("#moderator-code", "Enter");
    const dialog = mona.locator("#dialog[open]");
    await dialog.getByText("Nobody is muted or banned.").waitFor();
    await mona.keyboard.press("Escape");
    await mona.locator("#people-list").getByLabel("Actions for Ben").click();
    await dialog.getByText("Mute", { exact: true }).click();
    await dialog.getByText("Muted: Ben").waitFor();
    await mona.keyboard.press("Escape");

    await chat.killServer();
    await chat.startServer();
    for (const page of [mona, ben]) {
      await page.reload();
      await waitForMessage(page, "Hello edited");
      await page.locator("#rows", { hasText: "Message deleted" }).waitFor();
      await page.locator("#room-title", { hasText: "Tea & biscuits" }).waitFor();
      assertEquals((await messageTexts(page)).filter((text) => text.includes("password")), []);
    }
    await send(ben, "still here");
    await ben.locator("#log", { hasText: "A moderator has muted you until" }).waitFor();
    await send(mona, "Good night");
    await waitForSent(mona);
    await waitForMessage(ben, "Good night");
    await choose(mona, "Hello", "Mute, ban or hide…");
    await dialog.getByText("Ban", { exact: true }).click();
    await dialog.getByText("Banned: Ben").waitFor();
    await ben.locator("#status", { hasText: "A moderator has banned you until" }).waitFor();
  },
  { env: { ...noRateLimit.env, MODERATOR_CODE: code }, needsProcess: true, needsRedis: true },
);

// The page over plain http on a network address, where browsers withhold many APIs.

import { assertEquals } from "@std/assert";
import {
  browserTest,
  messageTexts,
  openSettings,
  plainHost,
  send,
  signIn,
  waitForMessage,
  waitForRoom,
} from "./browser_harness.ts";

browserTest("works without the APIs that browsers withhold from plain http", async (chat) => {
  const ada = await chat.signIn("Ada");
  const available = await ada.evaluate(() => ({
    secure: isSecureContext,
    uuid: "randomUUID" in crypto,
    locks: "locks" in navigator,
    worker: "serviceWorker" in navigator,
    notification: "Notification" in globalThis && Notification.permission !== "denied",
    badge: "setAppBadge" in navigator,
    clipboard: "clipboard" in navigator,
  }));
  assertEquals(Object.values(available), Object.values(available).map(() => false));
  assertEquals(new URL(ada.url()).hostname, plainHost);

  const ben = await chat.signIn("Ben");
  await send(ada, "```\nhere\n```");
  await waitForMessage(ben, "here");
  // `execCommand` still copies.
  await ben.click("#rows .block button");
  await ben.locator("#rows .block", { hasText: "Copied" }).waitFor();
  await ben.focus("#text");
  await ben.keyboard.press("Control+v");
  assertEquals(await ben.inputValue("#text"), "here");
  await ben.hover("#rows article");
  await ben.click(".bar >> text=More");
  await ben.click("dialog.menu >> text=Copy text");
  await ben.locator("dialog.menu", { hasText: "Copied" }).waitFor();
  await ben.locator("dialog.menu").waitFor({ state: "hidden" });
  await ben.fill("#text", "");
  await ben.keyboard.press("Control+v");
  assertEquals(await ben.inputValue("#text"), "```\nhere\n```");
  await ben.fill("#text", "");
  await ben.type("#text", "hm");
  await ada.locator("#typing", { hasText: "Ben is typing…" }).waitFor();
  await ben.fill("#text", "");

  await chat.killServer();
  await ada.locator("#status:not(:empty)").waitFor();
  await send(ada, "written without the server");
  await chat.startServer();
  await waitForMessage(ben, "written without the server");
  await ada.reload();
  await waitForMessage(ada, "written without the server");
  assertEquals(await ada.textContent("#me-name"), "Ada");
  assertEquals(await messageTexts(ada), await messageTexts(ben));

  const design = await chat.openTab(ada.context(), "r/design");
  await waitForRoom(design, "design");
  await design.locator("#rows .empty button").waitFor();
  await openSettings(ben);
  assertEquals(await ben.locator("#dialog", { hasText: "notifications" }).count(), 0);
  await ben.click("text=Use this name on another device");
  await ben.click("#dialog >> text=Copy");
  await ben.locator("#dialog", { hasText: "Copied" }).waitFor();
  await ben.click("text=Sign out");
  await signIn(ben, "Ben B");
}, { needsProcess: true, host: plainHost, env: { ALLOWED_HOSTS: plainHost } });

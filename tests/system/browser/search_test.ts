// Search: finds messages of all rooms, and opens them.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  send,
  waitForRoom,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";

browserTest(
  "finds messages by words, highlights the words, and opens the message",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await send(ada, "The <b>quick</b> fox, quickly");
    await send(ada, "nothing here");
    await waitForSent(ada);
    await joinRoom(ada, "design");
    await waitUntil("the message is indexed", async () => {
      const found = await ada.evaluate(async () => (await fetch("/search?q=fox")).json());
      return found.results.length === 1;
    });
    await send(ada, "/search quick*");
    const result = ada.locator("#dialog .results a");
    await result.waitFor();
    assertEquals(await ada.locator("#dialog .results mark").allTextContents(), [
      "quick",
      "quickly",
    ]);
    assert((await result.textContent())?.includes("The <b>quick</b> fox, quickly"));
    // A person's text may be in any language.
    assertEquals(await result.locator("span").getAttribute("lang"), "");
    await ada.keyboard.press("Escape");
    await ada.locator("#dialog").waitFor({ state: "hidden" });
    await send(ada, "/search quick*");
    await result.click();
    await ada.waitForURL("**/r/lobby/1");
    await ada.locator("#rows", { hasText: "The <b>quick</b> fox" }).waitFor();
  },
);

browserTest("says how far back a search went, and continues it [F7]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const since = Date.parse("2026-01-02T12:00");
  const result = { room: "lobby", offset: 1, member: "m1", from: "Ben", at: since, ranges: [] };
  await ada.route("**/search?*", (route) => {
    const isFirst = !new URL(route.request().url()).searchParams.has("before");
    const json = isFirst
      ? { results: [], next: "8192", since }
      : { results: [{ ...result, text: "found at last" }] };
    return route.fulfill({ json });
  });
  await send(ada, "/search fox");
  await ada.locator("#dialog", { hasText: "Only messages since" }).waitFor();
  await ada.getByRole("button", { name: "Search older messages" }).click();
  await ada.locator("#dialog .results", { hasText: "found at last" }).waitFor();
  assert(await ada.getByRole("button", { name: "Search older messages" }).isHidden());
});

browserTest("chooses a result with the arrow keys", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await joinRoom(ada, "detail");
  await ada.keyboard.press("Control+k");
  await ada.keyboard.type("de");
  await ada.keyboard.press("ArrowDown");
  await ada.keyboard.press("ArrowDown");
  await ada.keyboard.press("ArrowUp");
  await ada.keyboard.press("Enter");
  await waitForRoom(ada, "design");
  await ada.keyboard.press("Control+k");
  await ada.keyboard.type("de");
  await ada.keyboard.press("ArrowDown");
  await ada.keyboard.press("ArrowUp");
  assertEquals(await ada.evaluate(() => document.activeElement?.matches("#dialog input")), true);
  await ada.keyboard.press("ArrowUp");
  await ada.keyboard.press("Enter");
  await waitForRoom(ada, "detail");
});

browserTest("keeps the focus in a dialog opened right after another was closed", async (chat) => {
  const ada = await chat.signIn("Ada");
  await send(ada, "/help");
  await ada.locator("#dialog[open]").waitFor();
  // The close event of the help comes after both keys.
  const focused = await ada.evaluate(async () => {
    const press = (key: string, code: string, ctrlKey: boolean) => {
      const init = { key, code, ctrlKey, bubbles: true, cancelable: true };
      document.activeElement?.dispatchEvent(new KeyboardEvent("keydown", init));
    };
    const closed = new Promise((resolve) =>
      document.querySelector("#dialog")?.addEventListener("close", resolve, { once: true })
    );
    press("Escape", "Escape", false);
    press("k", "KeyK", true);
    await closed;
    return document.activeElement?.matches("#dialog[open] input");
  });
  assertEquals(focused, true);
});

browserTest("opens the search in keyboard layouts of other scripts, too", async (chat) => {
  const ada = await chat.signIn("Ada");
  const press = (key: string, code: string) =>
    ada.locator("#text").evaluate((text, [key, code]) => {
      const init = { key, code, ctrlKey: true, bubbles: true, cancelable: true };
      return !text.dispatchEvent(new KeyboardEvent("keydown", init));
    }, [key, code] as const);
  assertEquals(await press("л", "KeyK"), true);
  await ada.locator("#dialog[open] input").waitFor();
  await ada.keyboard.press("Escape");
  // In a Dvorak layout, this key is a T.
  assertEquals(await press("t", "KeyK"), false);
  assertEquals(await press("k", "KeyV"), true);
});

browserTest("opens the search on a Mac with the command key only", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.addInitScript(() =>
    Object.defineProperty(navigator, "platform", { value: "MacIntel" })
  );
  await chat.enter(ada, "Ada");
  // There, Ctrl+K deletes up to the end of the line.
  await ada.keyboard.press("Control+k");
  assertEquals(await ada.locator("#dialog[open]").count(), 0);
  await ada.keyboard.press("Meta+k");
  await ada.locator("#dialog[open] input").waitFor();
  await ada.keyboard.press("Escape");
  await send(ada, "/help");
  await ada.locator("#dialog code", { hasText: "⌘K" }).waitFor();
});

browserTest("jumps to a room with Ctrl+K", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await joinRoom(ada, "garden");
  await ada.keyboard.press("Control+k");
  await ada.keyboard.type("des");
  await ada.keyboard.press("Enter");
  await ada.waitForURL("**/r/design");
});

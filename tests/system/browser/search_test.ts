// Search: finds messages of all rooms, and opens them.

import { assert, assertEquals } from "@std/assert";
import { browserTest, joinRoom, send, waitForSent, waitUntil } from "./browser_harness.ts";

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
    await ada.keyboard.press("Escape");
    await ada.locator("#dialog").waitFor({ state: "hidden" });
    await send(ada, "/search quick*");
    await result.click();
    await ada.waitForURL("**/r/lobby/1");
    await ada.locator("#rows", { hasText: "The <b>quick</b> fox" }).waitFor();
  },
);

browserTest("jumps to a room with Ctrl+K", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await joinRoom(ada, "garden");
  await ada.keyboard.press("Control+k");
  await ada.keyboard.type("des");
  await ada.keyboard.press("Enter");
  await ada.waitForURL("**/r/design");
});

// Conversations between people: names, rooms, messages, and what survives a restart of the server.

import { assert, assertEquals } from "@std/assert";
import { ChatClient } from "../../support/chat_client.ts";
import {
  browserTest,
  messageTexts,
  noRateLimit,
  openSettings,
  send,
  sharedServerOnly,
  signIn,
  waitForEmptyStatus,
  waitForMessage,
  waitForRoom,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";

browserTest("lets two people join, talk, and see each other", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ada, "Good morning");
  await waitForMessage(ben, "Good morning");
  await send(ben, "Hello Ada");
  for (const page of [ada, ben]) await waitForMessage(page, "Hello Ada");
  assertEquals(await messageTexts(ada), await messageTexts(ben));
  for (const page of [ada, ben]) {
    await page.locator("#people-list li", { hasText: "Ada" }).waitFor();
    await page.locator("#people-list li", { hasText: "Ben" }).waitFor();
  }
  await ada.locator("#room-about", { hasText: "2 here" }).waitFor();
});

browserTest("says that a name is taken, and accepts another at once [N4]", async (chat) => {
  await chat.signIn("Ada");
  const other = await chat.visit();
  await other.fill("#prompt-name", "ADA");
  await other.click("#prompt-go");
  await other.locator("#prompt-hint", { hasText: "taken" }).waitFor();
  await signIn(other, "Ada B");
});

browserTest("checks a name while it is typed [N1]", async (chat) => {
  const page = await chat.visit();
  await page.fill("#prompt-name", "a!");
  await page.locator("#prompt-hint", { hasText: "Use letters, digits" }).waitFor();
  await page.click("#prompt-go");
  assert(await page.isVisible("#prompt"));
  await page.fill("#prompt-name", "a");
  await page.locator("#prompt-hint", { hasText: "others will see" }).waitFor();
}, sharedServerOnly);

browserTest("keeps the name across a reload, until the person signs out [N7]", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  assertEquals(await ada.textContent("#me-name"), "Ada");
  await openSettings(ada);
  await ada.click("text=Sign out");
  await ada.waitForSelector("#prompt:not([hidden])");
});

browserTest("shows every message once, in one order, across a kill -9 [M4]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  const sent: string[] = [];
  const talk = async (rounds: number) => {
    for (let i = 0; i < rounds; i++) {
      for (const [page, name] of [[ada, "Ada"], [ben, "Ben"]] as const) {
        const text = `${name} ${sent.length}`;
        sent.push(text);
        await send(page, text);
      }
    }
  };
  await talk(3);
  const restarted = chat.killServer().then(() => chat.startServer());
  await talk(4);
  await restarted;
  await talk(3);
  for (const page of [ada, ben]) {
    await waitForSent(page);
    await waitUntil("all messages are shown", async () => {
      return (await messageTexts(page)).length >= sent.length;
    });
  }
  const [onAda, onBen] = [await messageTexts(ada), await messageTexts(ben)];
  assertEquals(onAda, onBen);
  assertEquals(onAda.toSorted(), sent.toSorted());
  for (const name of ["Ada", "Ben"]) {
    const own = onAda.filter((text) => text.startsWith(name));
    assertEquals(own, sent.filter((text) => text.startsWith(name)));
  }
}, { ...noRateLimit, needsProcess: true });

browserTest("keeps a message written offline across a reload, and sends it once", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ada, "before");
  await waitForMessage(ben, "before");
  await chat.killServer();
  await ada.locator("#status", { hasText: /Connecting|Reconnecting/ }).waitFor();
  await send(ada, "written offline");
  await ada.locator("#rows .text.pending", { hasText: "written offline" }).waitFor();
  await chat.startServer();
  await ada.reload();
  await waitForMessage(ada, "written offline");
  await waitForMessage(ben, "written offline");
  const texts = await messageTexts(ben);
  assertEquals(texts.filter((text) => text === "written offline").length, 1);
  await waitForEmptyStatus(ada);
}, { needsProcess: true });

browserTest("lists a room's members at the name prompt", async (chat) => {
  await chat.signIn("Ada");
  const ben = await chat.visit();
  await ben.locator("#prompt-here", { hasText: "1 here: Ada" }).waitFor();
});

browserTest(
  "shows who is typing, and removes a person who signed out [M10] [N10]",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Ben");
    await ben.type("#text", "hm");
    await ada.locator("#typing", { hasText: "Ben is typing…" }).waitFor();
    await openSettings(ben);
    await ben.click("text=Sign out");
    await ada.locator("#people-list li", { hasText: "Ben" }).waitFor({ state: "detached" });
  },
);

browserTest("loads older pages while scrolling up, and keeps the position [R9]", async (chat) => {
  const ada = new ChatClient(chat.server.url, "Ada");
  await ada.joined();
  for (let i = 1; i <= 130; i++) await ada.sendMessage(`line ${i}`);
  const ben = await chat.signIn("Ben");
  await waitForMessage(ben, "line 130");
  assertEquals(await ben.locator("#rows .text", { hasText: /^line 1$/ }).count(), 0);
  await ben.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
  await ben.locator("#rows .text", { hasText: /^line 1$/ }).waitFor({ state: "attached" });
  const numbers = (await messageTexts(ben)).map((text) => Number(text.slice(5)));
  assertEquals(numbers, Array.from({ length: 130 }, (_, i) => i + 1));
  assert(await ben.evaluate(() => (document.querySelector("#log")?.scrollTop ?? 0) > 0));
  await ada.sendMessage("news");
  await ben.locator("#to-end", { hasText: "1 new message" }).click();
  await ben.locator("#to-end").waitFor({ state: "hidden" });
  await ada.close();
}, noRateLimit);

browserTest("gives each room an address and an unread count", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  for (const page of [ada, ben]) {
    await page.fill("#room-name", "design");
    await page.press("#room-name", "Enter");
    await waitForRoom(page, "design");
  }
  assert(ada.url().endsWith("/r/design"));
  await ada.click("#room-list >> text=# lobby");
  await send(ben, "@Ada look here");
  await ada.locator("#room-list .badge", { hasText: "@ 1" }).waitFor();
  await ada.goBack();
  await waitForMessage(ada, "look here");
  await ada.locator("#room-list .badge").waitFor({ state: "detached" });
  await ada.fill("#text", "/leave");
  // The first Enter takes the suggestion.
  await ada.press("#text", "Enter");
  await ada.press("#text", "Enter");
  await waitForRoom(ada, "lobby");
  const direct = await chat.openTab(ben.context(), "r/design");
  await waitForMessage(direct, "look here");
});

browserTest("changes a name by command, unless it is taken [N7]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ada, "/nick Ida");
  await ben.locator("#people-list li", { hasText: "Ida" }).waitFor();
  await send(ada, "/nick Ben");
  await ada.locator("#status", { hasText: "taken" }).waitFor();
});

browserTest("lets two tabs of one person talk side by side [N9]", async (chat) => {
  const one = await chat.signIn("Ada");
  const two = await chat.openTab(one.context());
  await two.waitForSelector("#app:not([hidden])");
  await send(one, "from one");
  await waitForMessage(two, "from one");
  await send(two, "from two");
  await waitForMessage(one, "from two");
  await one.locator("#room-about", { hasText: "1 here" }).waitFor();
});

browserTest("shows markup as text", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>&lt;b&gt;';
  await send(ada, markup);
  await waitForMessage(ben, "<img src=x");
  assertEquals((await messageTexts(ben)).at(-1), markup);
  assertEquals(await ben.locator("#rows img, #rows script").count(), 0);
});

browserTest("queues messages over the rate limit, says so, and sends them [L2]", async (chat) => {
  const ada = await chat.signIn("Ada");
  // All at once, since on a busy machine the bucket fills between two keys.
  await ada.locator("#composer").evaluate((form: HTMLFormElement) => {
    const field = form.querySelector("textarea");
    for (let i = 0; field !== null && i < 5; i++) {
      field.value = `quick ${i}`;
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
      form.requestSubmit();
    }
  });
  await ada.locator("#rows .state", { hasText: "Queued: you're sending too fast" }).first()
    .waitFor();
  await waitForSent(ada);
  const expected = ["quick 0", "quick 1", "quick 2", "quick 3", "quick 4"];
  assertEquals(await messageTexts(ada), expected);
}, { env: { RATE_BURST: "2" } });

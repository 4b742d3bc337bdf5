// Read state, the position where a room opens, and times.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  openSettings,
  send,
  sharedServerOnly,
  waitForMessage,
  waitUntil,
} from "./browser_harness.ts";
import type { BrowserContextOptions, Page, TestChat } from "./browser_harness.ts";
import { ScriptedServer } from "./scripted_server.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Returns numbered messages, a minute apart, the last one a minute ago. */
function lines(count: number, mention?: number) {
  return Array.from({ length: count }, (_, i) => ({
    text: i + 1 === mention ? `line ${i + 1}, @Ada?` : `line ${i + 1}.`,
    at: Date.now() - (count - i) * minute,
  }));
}

/** Opens the chat as Ada, after storing the offset of her last read message. */
async function openAsAda(
  chat: TestChat,
  server: ScriptedServer,
  readOffset: number,
  { isFocused = true, ...options }: BrowserContextOptions & { readonly isFocused?: boolean } = {},
): Promise<Page> {
  const ada = await chat.newVisitor(options);
  await server.attach(ada);
  await ada.addInitScript(({ readOffset, isFocused }) => {
    Object.assign(globalThis, { isFocused });
    document.hasFocus = () => (globalThis as unknown as { isFocused: boolean }).isFocused;
    if (localStorage.getItem("parley.read") !== null) return;
    localStorage.setItem("parley.read", JSON.stringify({ lobby: readOffset }));
  }, { readOffset, isFocused });
  await chat.enter(ada, "Ada");
  return ada;
}

async function setFocus(page: Page, isFocused: boolean): Promise<void> {
  await page.evaluate((isFocused) => {
    Object.assign(globalThis, { isFocused });
    dispatchEvent(new Event(isFocused ? "focus" : "blur"));
  }, isFocused);
}

/** Returns the number of unread messages in the title. */
async function unreadCount(page: Page): Promise<number> {
  return Number(/^\((\d+)\)/.exec(await page.title())?.[1] ?? 0);
}

async function waitForUnread(page: Page, count: number): Promise<void> {
  await waitUntil(`${count} are unread`, async () => await unreadCount(page) === count);
}

/** Returns the texts of the messages whose first line is on screen. */
async function textsInView(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const view = document.querySelector("#log")?.getBoundingClientRect();
    return Array.from(document.querySelectorAll("#rows article"))
      .filter((row) => {
        const { top, bottom } = row.getBoundingClientRect();
        return view !== undefined && bottom > view.top && top + 20 <= view.bottom;
      })
      .map((row) => row.querySelector(".text")?.textContent ?? "");
  });
}

browserTest(
  "opens a room at its first unread message, and marks visible messages as read",
  async (chat) => {
    const server = new ScriptedServer();
    server.append("lobby", ...lines(190, 180));
    const ada = await openAsAda(chat, server, 100);
    await ada.locator("#rows .new").waitFor();
    await waitUntil(
      "the first unread line is in view",
      async () => (await textsInView(ada)).includes("line 101."),
    );
    const seen = (await textsInView(ada)).length;
    assert(!(await textsInView(ada)).includes("line 180, @Ada?"));
    let unread = 0;
    await waitUntil("the title counts the rest", async () => {
      unread = await unreadCount(ada);
      return unread > 90 - seen - 1 && unread < 90;
    });
    // A jump to the end reads only the end.
    await ada.click("#to-end");
    await waitUntil("the end is read", async () => await unreadCount(ada) < unread);
    assert(await unreadCount(ada) > 0);
    const pill = ada.locator(".pill button").first();
    assert(/^\d+ new since .*\d(\s[AP]M)? · Jump$/.test(await pill.textContent() ?? ""));
    await pill.click();
    await waitUntil(
      "the first unread line is in view again",
      async () =>
        (await textsInView(ada)).includes(`line ${100 + seen}.`) ||
        (await textsInView(ada)).includes(`line ${101 + seen}.`),
    );
    // The read offset survives a reload.
    const left = await unreadCount(ada);
    await ada.reload();
    await waitForMessage(ada, "line 190.");
    await waitUntil("the count is back", async () => await unreadCount(ada) >= left - seen);
    await ada.click("#to-end");
    await ada.locator(".pill").waitFor();
    await ada.locator("#text:focus").waitFor();
    await ada.click(".pill button:last-child");
    await ada.locator("#text:focus").waitFor();
    await waitForUnread(ada, 0);
    await ada.locator(".pill").waitFor({ state: "hidden" });
  },
  sharedServerOnly,
);

browserTest("jumps to an unread message that has to be loaded", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...lines(250, 131));
  const ada = await openAsAda(chat, server, 129);
  await waitUntil(
    "the first unread line is in view",
    async () => (await textsInView(ada)).includes("line 130."),
  );
  // The end was loaded first, but nobody has seen it.
  await waitUntil("the messages in view count as read", async () => {
    const count = await unreadCount(ada);
    return count > 85 && count < 121;
  });
}, sharedServerOnly);

browserTest("marks nothing as read while another window has focus", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...lines(5));
  const ada = await openAsAda(chat, server, 5, { isFocused: false });
  await waitForMessage(ada, "line 5.");
  server.publish("lobby", { text: "@Ada are you there?" }, { text: "hello" });
  await waitForMessage(ada, "hello");
  await waitForUnread(ada, 2);
  await setFocus(ada, true);
  await waitForUnread(ada, 0);
  assertEquals(await ada.locator("#rows .new").count(), 1);
  await setFocus(ada, false);
  server.publish("lobby", ...lines(60));
  await waitForMessage(ada, "line 60.");
  await waitForUnread(ada, 60);
  await setFocus(ada, true);
  await waitUntil("the end is read", async () => await unreadCount(ada) < 60);
  // Messages that were not on screen are still unread.
  assert(await unreadCount(ada) > 20);
  await ada.locator(".pill", { hasText: "new since" }).waitFor();
}, sharedServerOnly);

browserTest("says that a room is loading, not that it is empty", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.routeWebSocket(/\/ws$/, () => {});
  await ada.goto(chat.url);
  await ada.evaluate(() => {
    const message = { offset: 1, member: "b", from: "Ben", text: "hi", at: 1, nonce: "n" };
    localStorage.setItem(
      "parley.last.lobby",
      JSON.stringify({
        position: { epoch: "e", offset: 1 },
        first: 1,
        oldest: 1,
        messages: [message],
      }),
    );
    localStorage.setItem(
      "parley.profile",
      JSON.stringify({ username: "Ada", token: "t".repeat(43) }),
    );
  });
  await ada.reload();
  await waitForMessage(ada, "hi");
  await ada.fill("#room-name", "design");
  // Chromium once didn't handle a key for 45 s in this page without a connection.
  await ada.locator("#room-name").evaluate((input: HTMLInputElement) =>
    input.form?.requestSubmit()
  );
  await ada.locator("#rows", { hasText: "Loading messages…" }).waitFor();
  assertEquals(await ada.locator("#rows .empty").count(), 0);
}, sharedServerOnly);

browserTest(
  "updates the names of days at midnight, and follows the reader's time zone and clock",
  async (chat) => {
    const server = new ScriptedServer();
    /** In Berlin. */
    const noon = Date.UTC(2026, 2, 4, 11);
    server.append(
      "lobby",
      { text: "old", at: noon - 50 * hour },
      { text: "read", at: noon - 24 * hour },
      { text: "unread", at: noon - hour },
    );
    const ada = await openAsAda(chat, server, 2, { locale: "en-US", isFocused: false });
    await waitForMessage(ada, "unread");
    let devtools = await ada.context().newCDPSession(ada);
    const moveTo = async (timezoneId: string) => {
      // A session can set one override, which ends with the session.
      await devtools.detach();
      devtools = await ada.context().newCDPSession(ada);
      await devtools.send("Emulation.setTimezoneOverride", { timezoneId });
    };
    await moveTo("Europe/Berlin");
    await ada.clock.setFixedTime(noon);
    await setFocus(ada, true);
    const rules = () => ada.locator("#rows [role=separator]").allTextContents();
    const spaced = (text: string) => text.replaceAll("\u202f", " ");
    await waitUntil("days are named", async () => (await rules()).at(-2) === "Today");
    const [first, yesterday, today, since = ""] = await rules();
    assertEquals([first, yesterday, today], ["Monday, March 2", "Yesterday", "Today"]);
    assert(/^New since Tue \d+:00 [AP]M$/.test(spaced(since)), since);
    const time = async () => spaced(await ada.locator("#rows time").last().textContent() ?? "");
    const berlin = await time();
    await moveTo("Asia/Tokyo");
    await setFocus(ada, true);
    await waitUntil("the time follows", async () => await time() !== berlin);
    // Eight hours later than in Berlin.
    const at = (text: string) => Number(/^\d+/.exec(text)?.[0]) % 12;
    assertEquals(
      (await time()).replace(/^\d+/, ""),
      berlin.replace(/^\d+/, "").replace("AM", "PM"),
    );
    assertEquals((at(berlin) + 8) % 12, at(await time()));
    await ada.clock.setFixedTime(noon + 24 * hour);
    await setFocus(ada, true);
    await waitUntil("days move on", async () => (await rules()).includes("Yesterday"));
    await ada.click("#me");
    await ada.getByLabel("Time format").selectOption({ label: "24 hours" });
    await waitUntil("the clock has 24 hours", async () => /^\d\d:\d\d$/.test(await time()));
  },
  sharedServerOnly,
);

browserTest("fits 12-hour times into their column, in every language", async (chat) => {
  const server = new ScriptedServer();
  server.append(
    "lobby",
    { text: "one", at: new Date(2026, 2, 4, 22, 58).getTime() },
    { text: "two", at: new Date(2026, 2, 4, 22, 59).getTime() },
  );
  for (const locale of ["en-US", "en-GB", "de-DE", "ko-KR", "es-US"]) {
    const ada = await openAsAda(chat, server, 2, { locale });
    await waitForMessage(ada, "two");
    const gaps = await ada.locator("#rows article").evaluateAll((rows) =>
      rows.map((row) => {
        const range = document.createRange();
        range.selectNodeContents(row.querySelector("time") ?? row);
        const left = row.querySelector(".text")?.getBoundingClientRect().left ?? 0;
        return left - range.getBoundingClientRect().right;
      })
    );
    assert(gaps.every((gap) => gap >= 4 && gap < 40), `${locale}: ${gaps}`);
  }
}, sharedServerOnly);

browserTest("shows the day at the top only while scrolling", async (chat) => {
  const server = new ScriptedServer();
  const now = Date.now();
  server.append(
    "lobby",
    ...lines(60).map((it, i) => ({ ...it, at: now - 24 * hour + i })),
    ...lines(60).map((it, i) => ({ ...it, at: now + i })),
  );
  const ada = await openAsAda(chat, server, 120);
  await waitForMessage(ada, "line 60.");
  const day = ada.locator(".day");
  await ada.waitForTimeout(0);
  await day.waitFor({ state: "hidden" });
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 900));
  await ada.locator(".day", { hasText: "Yesterday" }).waitFor();
  await day.waitFor({ state: "hidden" });
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 1e6));
  await ada.locator(".day", { hasText: "Today" }).waitFor();
  await day.waitFor({ state: "hidden" });
  // The page scrolls by itself to a new message.
  server.publish("lobby", { text: "news" });
  await waitForMessage(ada, "news");
  await ada.evaluate(() =>
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  );
  assertEquals(await day.isVisible(), false);
}, sharedServerOnly);

browserTest("copies several messages as lines with author and time", async (chat) => {
  const server = new ScriptedServer();
  const at = new Date(2026, 2, 4, 11, 56).getTime();
  server.append(
    "lobby",
    { text: "see *this*", from: "Ben", at },
    { text: "```\ncode\n```", from: "Ben", at },
    { text: "two\nlines", member: "cy", from: "Cy", at: at + minute },
    { text: "/me waves", member: "cy", from: "Cy", at: at + minute },
  );
  const ada = await openAsAda(chat, server, 4, { locale: "en-GB" });
  await waitForMessage(ada, "waves");
  const copied = (from: number, to: number) =>
    ada.evaluate(([from, to]) => {
      const texts = document.querySelectorAll("#rows .text");
      const first = texts[from ?? 0];
      const last = texts[to ?? 0];
      if (first === undefined || last === undefined) return "";
      const range = document.createRange();
      range.setStart(first, 0);
      range.setEnd(last, last.childNodes.length);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      const data = new DataTransfer();
      const event = new ClipboardEvent("copy", {
        clipboardData: data,
        bubbles: true,
        cancelable: true,
      });
      last.dispatchEvent(event);
      return event.defaultPrevented ? data.getData("text/plain") : `${getSelection()}`;
    }, [from, to]);
  assertEquals(
    await copied(0, 2),
    "Ben, 11:56: see *this*\nBen, 11:56: ```\ncode\n```\nCy, 11:57: two\nlines",
  );
  assertEquals(await copied(2, 3), "Cy, 11:57: two\nlines\nCy, 11:57: Cy waves");
  // One message is copied as it is shown, without time or button.
  assertEquals((await copied(1, 1)).trim(), "code");
  // After "Select all", only the messages are copied. A field or a dialog is copied as usual.
  const copyFrom = (selector: string) =>
    ada.locator(selector).evaluate((node) => {
      const clipboardData = new DataTransfer();
      const options = { clipboardData, bubbles: true, cancelable: true };
      node.dispatchEvent(new ClipboardEvent("copy", options));
      return clipboardData.getData("text/plain").split("\n").length;
    });
  await ada.focus("#log");
  await ada.keyboard.press("Control+a");
  assertEquals(await copyFrom("body"), 7);
  assertEquals(await copyFrom("#text"), 1);
  await openSettings(ada);
  await ada.keyboard.press("Control+a");
  assertEquals(await copyFrom("body"), 1);
}, sharedServerOnly);

browserTest("copies every range of a selection, since Firefox may have several", async (chat) => {
  const server = new ScriptedServer();
  const at = new Date(2026, 2, 4, 11, 56).getTime();
  server.append(
    "lobby",
    { text: "one and more", at },
    { text: "not selected", at },
    { text: "two and more", at },
    { text: "three", at },
  );
  const ada = await openAsAda(chat, server, 4, { locale: "en-GB" });
  await waitForMessage(ada, "three");
  const copied = await ada.evaluate(() => {
    const nodes = Array.from(
      document.querySelectorAll("#rows .text"),
      ({ firstChild }) => firstChild,
    );
    const ranges = [[0, 0, 3], [2, 0, 3], [3, 0, 2], [3, 2, 5]].map(([index = 0, start, end]) => {
      const range = document.createRange();
      range.setStart(nodes[index] ?? document, start ?? 0);
      range.setEnd(nodes[index] ?? document, end ?? 0);
      return range;
    });
    // Chromium selects only one.
    const selection = {
      rangeCount: ranges.length,
      getRangeAt: (i: number) => ranges[i],
      containsNode: (node: Node) => ranges.some((range) => range.intersectsNode(node)),
    };
    Object.assign(globalThis, { getSelection: () => selection });
    const clipboardData = new DataTransfer();
    const event = new ClipboardEvent("copy", { clipboardData, bubbles: true });
    document.querySelector("#log")?.dispatchEvent(event);
    return clipboardData.getData("text/plain");
  });
  assertEquals(copied, "Ben, 11:56: one\nBen, 11:56: two\nBen, 11:56: three");
}, sharedServerOnly);

browserTest(
  "labels messages and the log for screen readers, and keeps names untranslated",
  async (chat) => {
    const server = new ScriptedServer();
    const at = new Date(2026, 2, 4, 11, 56).getTime();
    server.append("lobby", { text: "one @Ada", at }, { text: "two `code`", at });
    const ada = await openAsAda(chat, server, 2, { locale: "en-GB" });
    await waitForMessage(ada, "two");
    const tree = await ada.locator("#talk").ariaSnapshot();
    assert(tree.includes('- log "Messages"'), tree);
    assert(tree.includes('- article "Ben, 11:56"'), tree);
    // A grouped message is read with its author too.
    const last = await ada.locator("#rows article").last().ariaSnapshot();
    assert(/Ben.*two|Ben[^]*two/.test(last), last);
    const untranslated = await ada.locator("[translate=no]").allTextContents();
    for (const text of ["Ben", "@Ada", "code", "Ada", "# lobby"]) {
      assert(untranslated.some((it) => it.includes(text)), text);
    }
  },
  sharedServerOnly,
);

browserTest("rewrites no live region while nothing changes", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...lines(3));
  const ada = await openAsAda(chat, server, 3);
  await waitForMessage(ada, "line 3.");
  await joinRoom(ada, "design");
  await ada.click("#room-list >> text=# lobby");
  await waitForMessage(ada, "line 3.");
  await ada.evaluate(() => {
    const changes: string[] = [];
    Object.assign(globalThis, { changes });
    for (const node of document.querySelectorAll("[role=status], [role=log], [aria-live]")) {
      new MutationObserver((list) => changes.push(...list.map(({ target }) => target.nodeName)))
        .observe(node, { childList: true, characterData: true, subtree: true });
    }
  });
  // Each of these draws the page again.
  for (let i = 0; i < 5; i++) {
    server.push({ type: "count", room: "design", count: i, members: [] });
    await ada.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  }
  const changes = () =>
    ada.evaluate(() => (globalThis as unknown as { changes: string[] }).changes);
  assertEquals(await changes(), []);
  await send(ada, "something");
  await waitForMessage(ada, "something");
  assert((await changes()).length > 0);
}, sharedServerOnly);

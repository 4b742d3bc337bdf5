// Drawing and reading the conversation: groups, times, unread and presence lines, scrolling, text.

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  messageTexts,
  noRateLimit,
  send,
  sharedServerOnly,
  waitForMessage,
  waitUntil,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { ScriptedServer, signInScripted } from "./scripted_server.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Returns the top of a row on the screen, in px. */
async function topOf(page: Page, text: string): Promise<number> {
  const row = page.locator("#rows article", { hasText: new RegExp(`${text}$`) }).first();
  return await row.evaluate((node) => node.getBoundingClientRect().top);
}

/** Waits until all changes so far are drawn. */
async function waitForDraw(page: Page): Promise<void> {
  await page.evaluate(() =>
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  );
}

browserTest("groups an author's messages within five minutes, and separates days", async (chat) => {
  const server = new ScriptedServer();
  const noon = new Date(2026, 2, 4, 12).getTime();
  server.append(
    "lobby",
    { text: "one", at: noon },
    { text: "two", at: noon + 4 * minute },
    { text: "after a while", at: noon + 10 * minute },
    { text: "other", member: "cy", from: "Cy", at: noon + 10 * minute },
    { text: "next day", member: "cy", from: "Cy", at: noon + 24 * hour },
    { text: "months later", at: new Date(2026, 11, 24, 23, 59).getTime() },
  );
  const { ada } = await signInScripted(chat, {}, server);
  await waitForMessage(ada, "months later");
  const rows = await ada.locator("#rows > * > *").evaluateAll((nodes) =>
    nodes.map((node) =>
      node.localName === "article"
        ? `${node.classList.contains("start") ? node.querySelector(".name")?.textContent : "-"}: ${
          node.querySelector(".text")?.textContent
        }`
        : node.textContent
    )
  );
  const year = new Date().getFullYear() === 2026 ? "" : " 2026";
  assertEquals(rows, [
    "This is the beginning of #lobby",
    `Wednesday${year === "" ? "" : ","} 4 March${year}`,
    "Ben: one",
    "-: two",
    "Ben: after a while",
    "Cy: other",
    `Thursday${year === "" ? "" : ","} 5 March${year}`,
    "Cy: next day",
    `Thursday${year === "" ? "" : ","} 24 December${year}`,
    "Ben: months later",
  ]);
  const separators = ada.locator("#rows [role=separator]");
  assertEquals(await separators.count(), 3);
}, { ...sharedServerOnly, locale: "en-GB" });

browserTest(
  "shows times in the reader's format, in full on hover and to screen readers",
  async (chat) => {
    const server = new ScriptedServer();
    const at = new Date(2026, 2, 4, 15, 7, 9).getTime();
    server.append("lobby", { text: "one", at }, { text: "two", at: at + minute });
    for (
      const [locale, short, full] of [
        ["en-US", "3:07 PM", "March 4, 2026"],
        ["en-GB", "15:07", "4 March 2026"],
      ] as const
    ) {
      const { ada } = await signInScripted(chat, { locale }, server);
      await waitForMessage(ada, "one");
      const time = ada.locator("#rows time").first();
      assertEquals((await time.textContent())?.replace("\u202f", " "), short);
      assert((await time.getAttribute("title"))?.includes(full));
      const devtools = await ada.context().newCDPSession(ada);
      const { nodes } = await devtools.send("Accessibility.getFullAXTree");
      const described = nodes.filter(({ role }) => role?.value === "time")
        .map(({ name, description }) => `${name?.value ?? ""} ${description?.value ?? ""}`);
      assert(described.every((text) => text.includes(full)), described.join("\n"));
      // A grouped message shows its time on hover; screen readers always have it.
      const later = ada.locator("#rows time.later");
      const colorOf = () => later.evaluate((node) => getComputedStyle(node).color);
      assertEquals(await colorOf(), "rgba(0, 0, 0, 0)");
      await ada.locator("#rows article", { hasText: "two" }).hover();
      // The rows may be drawn again, with the rest of the page's script.
      await waitUntil("it shows", async () => await colorOf() !== "rgba(0, 0, 0, 0)");
    }
  },
  sharedServerOnly,
);

browserTest("marks where the reader left off in each room", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await send(ben, "seen");
  await waitForMessage(ada, "seen");
  const path = ada.url();
  await ada.goto("about:blank");
  for (const text of ["missed one", "missed two"]) await send(ben, text);
  await waitForMessage(ben, "missed two");
  await ada.goto(path);
  await waitForMessage(ada, "missed two");
  const lines = () =>
    ada.locator("#rows .new, #rows article .text").evaluateAll((nodes) =>
      nodes.map((node) => node.textContent.replace(/\d\d?:\d\d(\s[AP]M)?/, "…"))
    );
  assertEquals(await lines(), ["seen", "New since …", "missed one", "missed two"]);
  // A message that arrives in view is not new, and the line stays.
  await send(ben, "watched");
  await waitForMessage(ada, "watched");
  assertEquals(await lines(), ["seen", "New since …", "missed one", "missed two", "watched"]);
  await ada.reload();
  await waitForMessage(ada, "watched");
  assertEquals(await lines(), ["seen", "missed one", "missed two", "watched"]);
  // Another room keeps its own line until it is shown.
  for (const page of [ada, ben]) {
    await joinRoom(page, "design");
  }
  await send(ben, "first of design");
  await waitForMessage(ada, "first of design");
  await ada.click("#room-list >> text=# lobby");
  await waitForMessage(ada, "watched");
  await send(ben, "second of design");
  await ada.locator("#room-list .badge", { hasText: "1" }).waitFor();
  await ada.reload();
  await waitForMessage(ada, "watched");
  assertEquals(await lines(), ["seen", "missed one", "missed two", "watched"]);
  await ada.click("#room-list >> text=# design");
  await waitForMessage(ada, "second of design");
  assertEquals(await lines(), ["first of design", "New since …", "second of design"]);
}, noRateLimit);

browserTest(
  "keeps the position to the pixel while older pages load and people join",
  async (chat) => {
    const server = new ScriptedServer();
    server.append(
      "lobby",
      ...Array.from({ length: 350 }, (_, i) => ({
        text: i % 7 === 0 ? `line\n`.repeat(i % 5) + (i + 1) : `${i + 1}`,
        at: Date.now() - hour + i * 1_000,
      })),
    );
    const { ada } = await signInScripted(chat, { viewport: { width: 900, height: 500 } }, server);
    await waitForMessage(ada, "350");
    for (const [first, watched] of [[251, "254"], [151, "154"]] as const) {
      await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 100));
      const before = await topOf(ada, watched);
      await ada.locator("#rows .text", { hasText: new RegExp(`(^|\n)${first - 100}$`) })
        .waitFor({ state: "attached" });
      await waitForDraw(ada);
      // The browser scrolls by whole pixels.
      assertAlmostEquals(await topOf(ada, watched), before, 0.5);
    }
    const before = await topOf(ada, "154");
    server.push({ type: "joined", room: "lobby", member: "cy", username: "Cy" });
    server.publish("lobby", { text: "news at the end" });
    await ada.locator("#to-end", { hasText: "1 new message" }).waitFor();
    assertAlmostEquals(await topOf(ada, "154"), before, 0.5);
  },
  sharedServerOnly,
);

browserTest(
  "keeps the topmost message in place when the window or the font size changes",
  async (chat) => {
    const server = new ScriptedServer();
    server.append(
      "lobby",
      ...Array.from(
        { length: 90 },
        (_, i) => ({ text: `${"words ".repeat(20 + i % 40)}${i + 1}` }),
      ),
    );
    const { ada } = await signInScripted(chat, { viewport: { width: 1200, height: 600 } }, server);
    await waitForMessage(ada, "words 90");
    // Jump to rows that the browser has skipped so far.
    await ada.locator("#rows > div[style*=content-visibility]").first().waitFor();
    await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 1_500));
    await ada.locator("#to-end:not([hidden])").waitFor();
    // Chromium draws them with the third frame.
    for (let i = 0; i < 3; i++) await waitForDraw(ada);
    const topmost = () =>
      ada.evaluate(() => {
        const top = document.querySelector("#log")?.getBoundingClientRect().top ?? 0;
        const rows = [...document.querySelectorAll("#rows article")];
        const row = rows.find((row) => row.getBoundingClientRect().bottom > top + 1);
        return {
          text: row?.querySelector(".text")?.textContent ?? "",
          top: (row?.getBoundingClientRect().top ?? 0) - top,
        };
      });
    const before = await topmost();
    const changes = {
      narrow: () => ada.setViewportSize({ width: 600, height: 900 }),
      wide: () => ada.setViewportSize({ width: 1200, height: 600 }),
      large: () => ada.evaluate(() => void (document.documentElement.style.fontSize = "24px")),
    };
    for (const [name, change] of Object.entries(changes)) {
      await change();
      await waitForDraw(ada);
      const after = await topmost();
      assertEquals(after.text, before.text, name);
      assertAlmostEquals(after.top, before.top, 1, name);
    }
  },
  sharedServerOnly,
);

browserTest("keeps the bottom in view when a phone's keyboard opens", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...Array.from({ length: 90 }, (_, i) => ({ text: `line ${i + 1}` })));
  const phone = { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true };
  const { ada } = await signInScripted(chat, phone, server);
  await waitForMessage(ada, "line 90");
  const bottomOf = (text: string) =>
    ada.locator("#rows article", { hasText: new RegExp(`${text}$`) }).evaluate((node) => {
      const foot = document.querySelector(".foot")?.getBoundingClientRect().top ?? 0;
      return foot - node.getBoundingClientRect().bottom;
    });
  for (const [name, watched] of [["at the end", "line 90"], ["further up", "line 60"]] as const) {
    const above = await bottomOf(watched);
    await ada.setViewportSize({ width: 360, height: 420 });
    await waitForDraw(ada);
    assertEquals(await bottomOf(watched), above, name);
    assert(
      await ada.locator("#send").evaluate((node) => node.getBoundingClientRect().bottom < 420),
    );
    await ada.setViewportSize({ width: 360, height: 720 });
    await waitForDraw(ada);
    assertEquals(await bottomOf(watched), above, name);
    await ada.evaluate(() => document.querySelector("#log")?.scrollBy(0, -600));
  }
}, sharedServerOnly);

browserTest("folds joins, leaves and renames between two messages into one line", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  const join = (...names: string[]) =>
    server.push(...names.map((username) => ({
      type: "joined",
      room: "lobby",
      member: username,
      username,
    })));
  const leave = (username: string, reason = "quit") =>
    server.push({ type: "left", room: "lobby", member: username, username, reason });
  const waitForPresence = (text: string) =>
    ada.locator("#rows .presence", { hasText: text }).last().waitFor();
  const presenceLines = async () =>
    (await ada.locator("#rows .presence").allTextContents())
      .map((text) => text.replaceAll(/[\u2068\u2069]/g, ""));
  join("Ben");
  await waitForPresence("Ben");
  join("Cy", "Di", "Ed");
  leave("Di");
  await waitUntil(
    "the line is folded",
    async () => (await presenceLines()).join() === "Ben, Cy, and Ed joined",
  );
  join("Fay");
  leave("Ben", "timeout");
  await waitUntil(
    "the line is folded",
    async () => (await presenceLines()).join() === "Cy, Ed, and Fay joined",
  );
  join("Gil");
  await waitUntil(
    "the line is shortened",
    async () => (await presenceLines()).join() === "Cy, Ed and 2 others joined",
  );
  server.publish("lobby", { text: "between" });
  await waitForMessage(ada, "between");
  leave("Cy", "timeout");
  const rename = (member: string, from: string, to: string) =>
    server.push({ type: "renamed", room: "lobby", member, from, to });
  rename("Ed", "Ed", "Eddie");
  rename("Ed", "Eddie", "Edda");
  rename("Fay", "Fay", "Fee");
  rename("Fay", "Fee", "Fay");
  const expected = "Cy was disconnected · Ed is now Edda";
  await waitUntil("the line is folded", async () => (await presenceLines()).at(-1) === expected);
  assertEquals((await presenceLines()).length, 2);
}, sharedServerOnly);

browserTest("gives each line its own direction, and code always that of code", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish(
    "lobby",
    { text: "First line.\nשורה שנייה!" },
    { text: "> ציטוט!\nMy answer!" },
    { text: "שלום\n```\nfoo(bar);\n```\n`a.b();` https://example.com/" },
    { text: "https://example.com/ שלום" },
  );
  await waitForMessage(ada, "https://example.com/ שלום");
  /** Returns how far a line is from the edge of its message where right-to-left text starts. */
  const fromRight = (text: string) =>
    ada.evaluate((text) => {
      const rows = document.querySelector("#rows");
      const walker = rows && document.createTreeWalker(rows, NodeFilter.SHOW_TEXT);
      while (walker?.nextNode()) {
        const node = walker.currentNode;
        const start = node.nodeValue?.indexOf(text) ?? -1;
        if (start < 0) continue;
        const range = document.createRange();
        range.setStart(node, start);
        range.setEnd(node, start + text.length);
        const edge = node.parentElement?.closest(".text")?.getBoundingClientRect().right ?? 0;
        return Math.round(edge - range.getBoundingClientRect().right);
      }
    }, text);
  assert(Number(await fromRight("First line.")) > 100);
  assertEquals(await fromRight("שורה שנייה!"), 0);
  assert(Number(await fromRight("ציטוט!")) < 20);
  assert(Number(await fromRight("My answer!")) > 100);
  const code = await ada.locator("#rows :is(pre, code, a)").evaluateAll((nodes) =>
    nodes.map((node) => getComputedStyle(node).direction)
  );
  assertEquals(new Set(code), new Set(["ltr"]));
  // The line beside a folded message on a phone is where its text starts, and a name in any script
  // is apart from the time.
  server.publish("lobby", { text: "שלום\n".repeat(25), member: "d", from: "דנה" });
  await ada.locator("#rows .unfold").waitFor();
  const folded = ada.locator("#rows .text", { has: ada.locator(".folded") });
  assertEquals(await folded.evaluate((node) => getComputedStyle(node).direction), "rtl");
  assert(Number(await fromRight("שלום\nשלום")) < 20);
  await ada.setViewportSize({ width: 390, height: 844 });
  const name = await ada.locator("#rows .start .name", { hasText: "דנה" }).boundingBox();
  const time = await ada.locator("#rows .start time").last().boundingBox();
  assertEquals((time?.x ?? 0) - (name?.x ?? 0) - (name?.width ?? 0), 8);
  // An address doesn't decide the direction of the text after it.
  const address = ada.locator("#rows .text", { hasText: "https://example.com/ שלום" });
  assertEquals(await address.evaluate((node) => getComputedStyle(node).direction), "rtl");
}, sharedServerOnly);

browserTest(
  "aligns right-to-left text to the right, and isolates names",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    server.publish(
      "lobby",
      { text: "שלום לכולם, מה נשמע?" },
      { text: "plain", member: "h", from: "דנה" },
      { text: "مرحبا\nhello" },
    );
    server.push({ type: "joined", room: "lobby", member: "h", username: "דנה" });
    await ada.locator("#rows .presence").waitFor();
    const directionOf = (text: string) =>
      ada.locator("#rows .text", { hasText: text }).evaluate((node) =>
        getComputedStyle(node).direction
      );
    assertEquals(await directionOf("שלום"), "rtl");
    assertEquals(await directionOf("plain"), "ltr");
    assertEquals(await directionOf("مرحبا"), "rtl");
    const name = ada.locator("#rows .name", { hasText: "דנה" });
    assertEquals(await name.evaluate((node) => getComputedStyle(node).unicodeBidi), "isolate");
    // The Hebrew name comes first in the line, like any other.
    const presence = ada.locator("#rows .presence");
    assertEquals(await presence.innerHTML(), '<bdi translate="no">דנה</bdi> joined');
    await ada.type("#text", "שלום");
    assertEquals(
      await ada.locator("#text").evaluate((node) => getComputedStyle(node).direction),
      "rtl",
    );
  },
  sharedServerOnly,
);

browserTest(
  "formats text, and links without revealing the chat's address",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    server.publish(
      "lobby",
      { text: "*bold* _italic_ `code` https://example.org/a_b_c?x=(1). mailto:a@example.org" },
      { text: "javascript:alert(1) data:text/html,x file:///etc ftp://example.org //example.org" },
      { text: "🎉 ☕" },
      { text: "🎉 party" },
    );
    await waitForMessage(ada, "party");
    const first = ada.locator("#rows .text").first();
    assertEquals(await first.locator("strong").textContent(), "bold");
    assertEquals(await first.locator("em").textContent(), "italic");
    assertEquals(await first.locator("code").textContent(), "code");
    const links = await ada.locator("#rows a").evaluateAll((nodes) =>
      nodes.map((node) => [node.getAttribute("href"), node.getAttribute("rel")])
    );
    assertEquals(links, [
      ["https://example.org/a_b_c?x=(1)", "noopener noreferrer nofollow"],
      ["mailto:a@example.org", "noopener noreferrer nofollow"],
    ]);
    const sizes = await ada.locator("#rows .text").evaluateAll((nodes) =>
      nodes.slice(2).map((node) => parseFloat(getComputedStyle(node).fontSize))
    );
    assert((sizes[0] ?? 0) > 2 * (sizes[1] ?? 0), `${sizes}`);
  },
  sharedServerOnly,
);

browserTest("announces new messages to screen readers, but not history", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...Array.from({ length: 250 }, (_, i) => ({ text: `line ${i + 1}` })));
  const ada = await chat.newVisitor();
  // Records the rows added while the log is not busy, as a screen reader announces them.
  await ada.addInitScript(() => {
    const announced: string[] = [];
    Object.assign(globalThis, { announced });
    addEventListener("DOMContentLoaded", () => {
      const log = document.querySelector("#log");
      const rows = document.querySelector("#rows");
      if (log === null || rows === null) return;
      new MutationObserver((changes) => {
        if (log.ariaBusy === "true") return;
        for (const { addedNodes } of changes) {
          for (const node of addedNodes) {
            const isAnnounced = node instanceof HTMLElement && node.ariaLive !== "off";
            if (isAnnounced && node.localName === "article") announced.push(node.textContent);
          }
        }
      }).observe(rows, { childList: true, subtree: true });
    });
  });
  await server.attach(ada);
  const announcedCount = () =>
    ada.evaluate(() => (globalThis as unknown as { announced: string[] }).announced.length);
  await chat.enter(ada, "Ada");
  await waitForMessage(ada, "line 250");
  assertEquals(await ada.getAttribute("#log", "role"), "log");
  assertEquals(await announcedCount(), 0);
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
  await ada.locator("#rows .text", { hasText: /^line 51$/ }).waitFor({ state: "attached" });
  await ada.locator("#log[aria-busy=false]").waitFor();
  assertEquals(await announcedCount(), 0);
  server.publish("lobby", { text: "new" });
  await waitForMessage(ada, "new");
  assertEquals(await announcedCount(), 1);
  await send(ada, "answer");
  await waitForMessage(ada, "answer");
  assertEquals(await announcedCount(), 2);
}, sharedServerOnly);

browserTest("colors names with enough contrast in both themes", async (chat) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await chat.visit({ colorScheme });
    const worst = await page.evaluate(() => {
      const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const luminance = (color: string) => {
        if (context === null) return 0;
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        const [red = 0, green = 0, blue = 0] = Array.from(
          context.getImageData(0, 0, 1, 1).data,
          (part) =>
            part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const { backgroundColor } = getComputedStyle(document.documentElement);
      // In a /me message with a mention, the name is on the highlight too.
      const marked = document.body.appendChild(document.createElement("p"));
      marked.className = "text mention";
      const backgrounds = [backgroundColor, getComputedStyle(marked).backgroundColor].map(
        luminance,
      );
      const name = document.body.appendChild(document.createElement("bdi"));
      name.className = "name";
      const contrasts = Array.from({ length: 24 }, (_, i) => {
        name.style.setProperty("--hue", String(i * 15));
        const ink = luminance(getComputedStyle(name).color);
        return Math.min(
          ...backgrounds.map((background) =>
            (Math.max(ink, background) + 0.05) / (Math.min(ink, background) + 0.05)
          ),
        );
      });
      return Math.min(...contrasts);
    });
    assert(worst >= 4.5, `${colorScheme}: ${worst}`);
  }
});

browserTest(
  "keeps each room's scroll position, and opens new rooms at the end",
  async (chat) => {
    const server = new ScriptedServer();
    for (const name of ["lobby", "design"]) {
      server.append(name, ...Array.from({ length: 80 }, (_, i) => ({ text: `${name} ${i + 1}` })));
    }
    const { ada } = await signInScripted(chat, {}, server);
    await waitForMessage(ada, "lobby 80");
    await ada.evaluate(() => document.querySelector("#log")?.scrollBy(0, -900));
    await waitForDraw(ada);
    const before = await topOf(ada, "lobby 50");
    await joinRoom(ada, "design");
    await waitForMessage(ada, "design 80");
    assert(await topOf(ada, "design 80") < 720);
    await ada.click("#room-list >> text=# lobby");
    await waitForMessage(ada, "lobby 50");
    assertEquals(await topOf(ada, "lobby 50"), before);
    assertEquals((await messageTexts(ada)).length, 80);
  },
  sharedServerOnly,
);

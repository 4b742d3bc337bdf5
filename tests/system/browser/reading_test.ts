import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { hears, say, test, texts, until } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { scripted, ScriptedServer } from "./scripted_server.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Where a row stands on the screen, in px. */
async function topOf(page: Page, text: string): Promise<number> {
  const row = page.locator("#rows article", { hasText: new RegExp(`${text}$`) }).first();
  return await row.evaluate((node) => node.getBoundingClientRect().top);
}

/** What happened since the last drawn picture is drawn. */
async function drawn(page: Page): Promise<void> {
  await page.evaluate(() =>
    new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  );
}

test("groups what one author said within five minutes, and parts the days", async (scene) => {
  const server = new ScriptedServer();
  const noon = new Date(2026, 2, 4, 12).getTime();
  server.write(
    "lobby",
    { text: "one", at: noon },
    { text: "two", at: noon + 4 * minute },
    { text: "after a while", at: noon + 10 * minute },
    { text: "other", member: "cy", from: "Cy", at: noon + 10 * minute },
    { text: "next day", member: "cy", from: "Cy", at: noon + 24 * hour },
    { text: "years before the reader", at: new Date(2026, 11, 24, 23, 59).getTime() },
  );
  const { ada } = await scripted(scene, {}, server);
  await hears(ada, "years before");
  const rows = await ada.locator("#rows > *").evaluateAll((nodes) =>
    nodes.map((node) =>
      node.localName === "article"
        ? `${node.querySelector(".name")?.textContent ?? "-"}: ${
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
    "Ben: years before the reader",
  ]);
  const separators = ada.locator("#rows [role=separator]");
  assertEquals(await separators.count(), 3);
});

test("shows times in the reader's way, and the full one on hover and for screen readers", async (scene) => {
  const server = new ScriptedServer();
  const at = new Date(2026, 2, 4, 15, 7, 9).getTime();
  server.write("lobby", { text: "one", at }, { text: "two", at: at + minute });
  for (
    const [locale, shown, full] of [
      ["en-US", "03:07 PM", "March 4, 2026"],
      ["en-GB", "15:07", "4 March 2026"],
    ] as const
  ) {
    const { ada } = await scripted(scene, { locale }, server);
    await hears(ada, "one");
    const time = ada.locator("#rows time").first();
    assertEquals((await time.textContent())?.replace("\u202f", " "), shown);
    assert((await time.getAttribute("title"))?.includes(full));
    const devtools = await ada.context().newCDPSession(ada);
    const { nodes } = await devtools.send("Accessibility.getFullAXTree");
    const described = nodes.filter(({ role }) => role?.value === "time")
      .map(({ name, description }) => `${name?.value ?? ""} ${description?.value ?? ""}`);
    assert(described.every((said) => said.includes(full)), described.join("\n"));
    // That of a grouped message shows when one points at it, and is there for who cannot.
    const later = ada.locator("#rows time.later");
    assertEquals(await later.evaluate((node) => getComputedStyle(node).opacity), "0");
    await ada.locator("#rows article", { hasText: "two" }).hover();
    assertEquals(await later.evaluate((node) => getComputedStyle(node).opacity), "1");
  }
});

test("draws the line where one stopped reading, for each room", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await say(ben, "seen");
  await hears(ada, "seen");
  const path = ada.url();
  await ada.goto("about:blank");
  for (const text of ["missed one", "missed two"]) await say(ben, text);
  await hears(ben, "missed two");
  await ada.goto(path);
  await hears(ada, "missed two");
  const lines = () =>
    ada.locator("#rows > .new, #rows article .text").evaluateAll((nodes) =>
      nodes.map((node) => node.textContent.replace(/\d\d:\d\d/, "…"))
    );
  assertEquals(await lines(), ["seen", "New since …", "missed one", "missed two"]);
  // What comes while one looks on is not new since anything, and the line stays where it is.
  await say(ben, "watched");
  await hears(ada, "watched");
  assertEquals(await lines(), ["seen", "New since …", "missed one", "missed two", "watched"]);
  await ada.reload();
  await hears(ada, "watched");
  assertEquals(await lines(), ["seen", "missed one", "missed two", "watched"]);
  // Another room has a line of its own, which waits there for as long as nobody looks.
  for (const page of [ada, ben]) {
    await say(page, "/join design");
    await page.locator("#room-title", { hasText: "# design" }).waitFor();
  }
  await say(ben, "first of design");
  await hears(ada, "first of design");
  await ada.click("#room-list >> text=# lobby");
  await hears(ada, "watched");
  await say(ben, "second of design");
  await ada.locator("#room-list .badge", { hasText: "1" }).waitFor();
  await ada.reload();
  await hears(ada, "watched");
  assertEquals(await lines(), ["seen", "missed one", "missed two", "watched"]);
  await ada.click("#room-list >> text=# design");
  await hears(ada, "second of design");
  assertEquals(await lines(), ["first of design", "New since …", "second of design"]);
}, { RATE_PER_SECOND: "0" });

test("keeps the place to the pixel while older pages load, notes come and names change", async (scene) => {
  const server = new ScriptedServer();
  server.write(
    "lobby",
    ...Array.from({ length: 350 }, (_, i) => ({
      text: i % 7 === 0 ? `line\n`.repeat(i % 5) + (i + 1) : `${i + 1}`,
      at: Date.now() - hour + i * 1_000,
    })),
  );
  const { ada } = await scripted(scene, { viewport: { width: 900, height: 500 } }, server);
  await hears(ada, "350");
  for (const [first, watched] of [[251, "254"], [151, "154"]] as const) {
    await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 100));
    const before = await topOf(ada, watched);
    await ada.locator("#rows .text", { hasText: new RegExp(`(^|\n)${first - 100}$`) })
      .waitFor({ state: "attached" });
    await drawn(ada);
    // A screen has whole pixels only.
    assertAlmostEquals(await topOf(ada, watched), before, 0.5);
  }
  const before = await topOf(ada, "154");
  server.push({ type: "joined", room: "lobby", member: "cy", username: "Cy" });
  server.say("lobby", { text: "news at the end" });
  await ada.locator("#to-end", { hasText: "1 new message" }).waitFor();
  assertAlmostEquals(await topOf(ada, "154"), before, 0.5);
});

test("keeps what is at the bottom there when a phone's keyboard opens", async (scene) => {
  const server = new ScriptedServer();
  server.write("lobby", ...Array.from({ length: 90 }, (_, i) => ({ text: `line ${i + 1}` })));
  const phone = { viewport: { width: 360, height: 720 }, hasTouch: true, isMobile: true };
  const { ada } = await scripted(scene, phone, server);
  await hears(ada, "line 90");
  const bottomOf = (text: string) =>
    ada.locator("#rows article", { hasText: new RegExp(`${text}$`) }).evaluate((node) => {
      const foot = document.querySelector(".foot")?.getBoundingClientRect().top ?? 0;
      return foot - node.getBoundingClientRect().bottom;
    });
  for (const [name, watched] of [["at the end", "line 90"], ["further up", "line 60"]] as const) {
    const above = await bottomOf(watched);
    await ada.setViewportSize({ width: 360, height: 420 });
    await drawn(ada);
    assertEquals(await bottomOf(watched), above, name);
    assert(
      await ada.locator("#send").evaluate((node) => node.getBoundingClientRect().bottom < 420),
    );
    await ada.setViewportSize({ width: 360, height: 720 });
    await drawn(ada);
    assertEquals(await bottomOf(watched), above, name);
    await ada.evaluate(() => document.querySelector("#log")?.scrollBy(0, -600));
  }
});

test("folds who came and went between two messages into one line", async (scene) => {
  const { ada, server } = await scripted(scene);
  const come = (...names: string[]) =>
    server.push(...names.map((username) => ({
      type: "joined",
      room: "lobby",
      member: username,
      username,
    })));
  const go = (username: string, reason = "quit") =>
    server.push({ type: "left", room: "lobby", member: username, username, reason });
  const note = (text: string) => ada.locator("#rows .note", { hasText: text }).last().waitFor();
  const plain = async () =>
    (await ada.locator("#rows .note").allTextContents())
      .map((text) => text.replaceAll(/[\u2068\u2069]/g, ""));
  come("Ben");
  await note("Ben");
  come("Cy", "Di", "Ed");
  go("Di");
  await until("it is folded", async () => (await plain()).join() === "Ben, Cy, and Ed joined");
  come("Fay");
  go("Ben", "timeout");
  await until("it is folded", async () => (await plain()).join() === "Cy, Ed, and Fay joined");
  come("Gil");
  await until("it is short", async () => (await plain()).join() === "Cy, Ed and 2 others joined");
  server.say("lobby", { text: "between" });
  await hears(ada, "between");
  go("Cy", "timeout");
  const rename = (member: string, from: string, to: string) =>
    server.push({ type: "renamed", room: "lobby", member, from, to });
  rename("Ed", "Ed", "Eddie");
  rename("Ed", "Eddie", "Edda");
  rename("Fay", "Fay", "Fee");
  rename("Fay", "Fee", "Fay");
  const told = "Cy was disconnected · Ed is now Edda";
  await until("it is folded", async () => (await plain()).at(-1) === told);
  assertEquals((await plain()).length, 2);
});

test("shows right-to-left text from the right, and lets no name turn the line around it", async (scene) => {
  const { ada, server } = await scripted(scene);
  server.say(
    "lobby",
    { text: "שלום לכולם, מה נשמע?" },
    { text: "plain", member: "h", from: "דנה" },
    { text: "مرحبا\nhello" },
  );
  server.push({ type: "joined", room: "lobby", member: "h", username: "דנה" });
  await ada.locator("#rows .note").waitFor();
  const directionOf = (text: string) =>
    ada.locator("#rows .text", { hasText: text }).evaluate((node) =>
      getComputedStyle(node).direction
    );
  assertEquals(await directionOf("שלום"), "rtl");
  assertEquals(await directionOf("plain"), "ltr");
  assertEquals(await directionOf("مرحبا"), "rtl");
  const name = ada.locator("#rows .name", { hasText: "דנה" });
  assertEquals(await name.evaluate((node) => getComputedStyle(node).unicodeBidi), "isolate");
  // The Hebrew name comes first in the line, at its left, as any other would.
  assertEquals(await ada.locator("#rows .note").textContent(), "\u2068דנה\u2069 joined");
  await ada.type("#text", "שלום");
  assertEquals(
    await ada.locator("#text").evaluate((node) => getComputedStyle(node).direction),
    "rtl",
  );
});

test("makes of a text what it says, and links that tell nobody where they were", async (scene) => {
  const { ada, server } = await scripted(scene);
  server.say(
    "lobby",
    { text: "*bold* _italic_ `code` https://example.org/a_b_c?x=(1). mailto:a@example.org" },
    { text: "javascript:alert(1) data:text/html,x file:///etc ftp://example.org //example.org" },
    { text: "🎉 ☕" },
    { text: "🎉 party" },
  );
  await hears(ada, "party");
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
});

test("reads aloud what is said now, and no history", async (scene) => {
  const server = new ScriptedServer();
  server.write("lobby", ...Array.from({ length: 250 }, (_, i) => ({ text: `line ${i + 1}` })));
  const context = await scene.browser.newContext({ locale: "en-GB" });
  // Writes down what is added to the log while it is not busy: that is what is read.
  await context.addInitScript(() => {
    const read: string[] = [];
    Object.assign(globalThis, { read });
    addEventListener("DOMContentLoaded", () => {
      const log = document.querySelector("#log");
      const rows = document.querySelector("#rows");
      if (log === null || rows === null) return;
      new MutationObserver((changes) => {
        if (log.ariaBusy === "true") return;
        for (const { addedNodes } of changes) {
          for (const node of addedNodes) {
            const isRead = node instanceof HTMLElement && node.ariaLive !== "off";
            if (isRead && node.localName === "article") read.push(node.textContent);
          }
        }
      }).observe(rows, { childList: true });
    });
  });
  await server.attach(context);
  const ada = await scene.tab(context);
  const read = () => ada.evaluate(() => (globalThis as unknown as { read: string[] }).read.length);
  await ada.fill("#prompt-name", "Ada");
  await ada.click("#prompt-go");
  await hears(ada, "line 250");
  assertEquals(await ada.getAttribute("#log", "role"), "log");
  assertEquals(await read(), 0);
  await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
  await ada.locator("#rows .text", { hasText: /^line 51$/ }).waitFor({ state: "attached" });
  await ada.locator("#log[aria-busy=false]").waitFor();
  assertEquals(await read(), 0);
  server.say("lobby", { text: "said now" });
  await hears(ada, "said now");
  assertEquals(await read(), 1);
  await say(ada, "and answered");
  await hears(ada, "and answered");
  assertEquals(await read(), 2);
});

test("colours names so that each can be read, in both themes", async (scene) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await scene.person({ colorScheme });
    const worst = await page.evaluate(() => {
      const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
      const luminance = (colour: string) => {
        if (context === null) return 0;
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [red = 0, green = 0, blue = 0] = Array.from(
          context.getImageData(0, 0, 1, 1).data,
          (part) =>
            part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const { backgroundColor } = getComputedStyle(document.documentElement);
      // What somebody does to one stands on the mark, the name with it.
      const marked = document.body.appendChild(document.createElement("p"));
      marked.className = "text mention";
      const grounds = [backgroundColor, getComputedStyle(marked).backgroundColor].map(luminance);
      const name = document.body.appendChild(document.createElement("bdi"));
      name.className = "name";
      const contrasts = Array.from({ length: 24 }, (_, i) => {
        name.style.setProperty("--hue", String(i * 15));
        const ink = luminance(getComputedStyle(name).color);
        return Math.min(
          ...grounds.map((ground) =>
            (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05)
          ),
        );
      });
      return Math.min(...contrasts);
    });
    assert(worst >= 4.5, `${colorScheme}: ${worst}`);
  }
});

test("keeps the place of each room, and shows the newest where there was none", async (scene) => {
  const server = new ScriptedServer();
  for (const name of ["lobby", "design"]) {
    server.write(name, ...Array.from({ length: 80 }, (_, i) => ({ text: `${name} ${i + 1}` })));
  }
  const { ada } = await scripted(scene, {}, server);
  await hears(ada, "lobby 80");
  await ada.evaluate(() => document.querySelector("#log")?.scrollBy(0, -900));
  await drawn(ada);
  const before = await topOf(ada, "lobby 50");
  await say(ada, "/join design");
  await hears(ada, "design 80");
  assert(await topOf(ada, "design 80") < 720);
  await ada.click("#room-list >> text=# lobby");
  await hears(ada, "lobby 50");
  assertEquals(await topOf(ada, "lobby 50"), before);
  assertEquals((await texts(ada)).length, 80);
});

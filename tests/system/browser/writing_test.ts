import { assert, assertEquals } from "@std/assert";
import { hears, say, test, texts, until } from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { scripted } from "./scripted_server.ts";

const written = (page: Page) => page.inputValue("#text");

/** Waits for what helps to write, which comes behind the page. */
async function hasAids(page: Page): Promise<void> {
  await page.fill("#text", "/");
  await page.locator("#suggestions:not([hidden])").waitFor();
  await page.fill("#text", "");
}

async function paste(page: Page, text: string): Promise<void> {
  await page.locator("#text").evaluate((field: HTMLTextAreaElement, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData, cancelable: true, bubbles: true });
    if (field.dispatchEvent(event)) {
      field.value += text;
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
  }, text);
}

test("grows with what is written, up to its bound, and shrinks when it is sent", async (scene) => {
  const ada = await scene.enter("Ada");
  const height = () => ada.locator("#text").evaluate((field) => field.clientHeight);
  const one = await height();
  await ada.type("#text", "one");
  await ada.keyboard.press("Shift+Enter");
  await ada.keyboard.type("two");
  assert(await height() > one);
  assertEquals(await texts(ada), []);
  await ada.keyboard.press("Enter");
  await hears(ada, "one\ntwo");
  assertEquals(await height(), one);
  await ada.fill("#text", "line\n".repeat(200));
  const { inner, log } = await ada.evaluate(() => ({
    inner: innerHeight,
    log: document.querySelector("#log")?.clientHeight ?? 0,
  }));
  assert(await height() <= 0.41 * inner && log > 0.2 * inner);
});

test("sends nothing while an input method composes", async (scene) => {
  const ada = await scene.enter("Ada");
  const devtools = await ada.context().newCDPSession(ada);
  await ada.focus("#text");
  await devtools.send("Input.imeSetComposition", {
    text: "にほん",
    selectionStart: 3,
    selectionEnd: 3,
  });
  // So a browser tells that Enter chose a candidate: in the composition, or after it with the old code.
  for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
    await ada.locator("#text").evaluate((field, init) => {
      field.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init }),
      );
    }, init);
  }
  assertEquals(await written(ada), "にほん");
  assertEquals(await texts(ada), []);
  await devtools.send("Input.insertText", { text: "日本" });
  await ada.keyboard.press("Enter");
  await hears(ada, "日本");
});

test("recalls the last message by the arrow up, only where nothing is written", async (scene) => {
  const ada = await scene.enter("Ada");
  await hasAids(ada);
  await say(ada, "tpyo");
  await hears(ada, "tpyo");
  await ada.keyboard.press("ArrowUp");
  assertEquals(await written(ada), "tpyo");
  await ada.fill("#text", "other");
  await ada.keyboard.press("ArrowUp");
  assertEquals(await written(ada), "other");
});

test("completes names and rooms by Tab, one after the other, and otherwise leaves Tab alone", async (scene) => {
  const { ada, server } = await scripted(scene);
  for (const username of ["Ben", "Bea Young", "Çelik"]) {
    server.push({ type: "joined", room: "lobby", member: username, username });
  }
  await ada.locator("#people-list li", { hasText: "Çelik" }).waitFor();
  await hasAids(ada);
  const completes = async (typed: string, ...expected: string[]) => {
    await ada.fill("#text", typed);
    for (const value of expected) {
      await ada.keyboard.press("Tab");
      assertEquals(await written(ada), value);
    }
  };
  await completes("ask be", "ask @Bea Young ", "ask @Ben ", "ask @Bea Young ");
  await completes("@çe", "@Çelik ");
  await completes("see #lo", "see #lobby ");
  await completes("/join lo", "/join lobby ");
  await completes("/join #lo", "/join #lobby ");
  await completes("/nick be", "/nick @Bea Young ");
  // A crowded room has no list; who has said something there can be called.
  server.push({ type: "count", room: "lobby", count: 900 });
  server.say("lobby", { from: "Zed", member: "zed" }, { from: "Zoe", member: "zoe" });
  await hears(ada, "m2");
  await completes("ask z", "ask @Zed ", "ask @Zoe ");
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
  await ada.fill("#text", "nobody");
  await ada.keyboard.press("Tab");
  assert(await ada.evaluate(() => document.activeElement?.id) !== "text");
});

test("keeps a draft for each room, over a reload too", async (scene) => {
  const ada = await scene.enter("Ada");
  await say(ada, "/join design");
  await ada.locator("#room-title", { hasText: "# design" }).waitFor();
  await ada.fill("#text", "half of design");
  await ada.click("#room-list >> text=# lobby");
  await ada.locator("#room-title", { hasText: "# lobby" }).waitFor();
  await until("it is empty", async () => await written(ada) === "");
  await ada.fill("#text", "half of lobby");
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  await until("the draft is back", async () => await written(ada) === "half of lobby");
  await ada.click("#room-list >> text=# design");
  await until("the other is back", async () => await written(ada) === "half of design");
  await ada.fill("#text", "");
  await ada.click("#room-list >> text=# lobby");
  await ada.click("#room-list >> text=# design");
  await until("it is empty", async () => await written(ada) === "");
});

test("counts near the limit, and sends nothing that is over it [M1]", async (scene) => {
  const ada = await scene.enter("Ada");
  const hint = () => ada.textContent("#composer-hint");
  await ada.fill("#text", "a".repeat(3_700));
  assertEquals(await hint(), "Enter to send");
  // As the server counts: one each, though two units long.
  await ada.fill("#text", "𝒜".repeat(3_990));
  assertEquals(await hint(), "10 left");
  await ada.fill("#text", "a".repeat(4_003));
  assertEquals(await hint(), "3 over the limit");
  await ada.press("#text", "Enter");
  await ada.locator("#composer-problem", { hasText: "Messages can have up to 4,000" }).waitFor();
  assertEquals((await written(ada)).length, 4_003);
  await ada.fill("#text", "a".repeat(4_000));
  await ada.press("#text", "Enter");
  await hears(ada, "a".repeat(4_000));
});

test("refuses kindly to paste what is too long, and stays quick", async (scene) => {
  const ada = await scene.enter("Ada");
  await hasAids(ada);
  await ada.fill("#text", "before ");
  await paste(ada, "x".repeat(1_000_000));
  await ada.locator("#composer-problem", { hasText: "Over the 4,000-character limit" })
    .waitFor();
  assertEquals(await written(ada), "before ");
  await paste(ada, "𝒜".repeat(3_000));
  assertEquals((await written(ada)).length, 7 + 2 * 3_000);
  assertEquals(await ada.textContent("#composer-problem"), "");
  await ada.press("#text", "Enter");
  await hears(ada, "before 𝒜𝒜");
});

test("lists the slash commands, completes them, and says when there is none", async (scene) => {
  const ada = await scene.enter("Ada");
  await hasAids(ada);
  await ada.type("#text", "/");
  assertEquals(await ada.locator("#suggestions li").count(), 6);
  await ada.keyboard.press("ArrowDown");
  assertEquals(await ada.getAttribute("#text", "aria-activedescendant"), "suggestion-1");
  await ada.keyboard.press("Tab");
  assertEquals(await written(ada), "/join ");
  await ada.keyboard.type("design");
  await ada.keyboard.press("Enter");
  await ada.locator("#room-title", { hasText: "# design" }).waitFor();
  await ada.type("#text", "/wh");
  await ada.keyboard.press("Escape");
  assert(!await ada.isVisible("#suggestions"));
  await say(ada, "/nothing");
  await ada.locator("#composer-problem", { hasText: "There is no /nothing" }).waitFor();
  await say(ada, "/join No Room!");
  await ada.locator("#composer-problem", { hasText: "Room names use" }).waitFor();
  await say(ada, "/me waves");
  await ada.locator("#rows .emote:not(.pending)", { hasText: "Ada waves" }).waitFor();
  await say(ada, "/help");
  await ada.locator("#dialog[open]", { hasText: "Commands and shortcuts" }).waitFor();
  await ada.keyboard.press("Escape");
  assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
});

test("copies fenced code as it was written", async (scene) => {
  const ada = await scene.enter("Ada", { permissions: ["clipboard-read", "clipboard-write"] });
  const code = "if (a < b) {\n\treturn `x`; // *no* _signs_\n}";
  await say(ada, `look:\n\`\`\`ts\n${code}\n\`\`\``);
  await hears(ada, "return");
  const copy = ada.locator("#rows .block button");
  await copy.focus();
  await copy.press("Enter");
  await ada.locator("#rows .block button", { hasText: "Copied" }).waitFor();
  assertEquals(await ada.evaluate(() => navigator.clipboard.readText()), code);
});

test("goes through the rooms by Alt and the arrows", async (scene) => {
  const ada = await scene.enter("Ada");
  const shows = (name: string) => ada.locator("#room-title", { hasText: `# ${name}` }).waitFor();
  for (const name of ["design", "garden"]) {
    await say(ada, `/join ${name}`);
    await shows(name);
  }
  for (const [key, name] of [["Down", "lobby"], ["Up", "garden"], ["Up", "design"]] as const) {
    await ada.keyboard.press(`Alt+Arrow${key}`);
    await shows(name);
  }
});

test("begins a line by Enter and sends by a button where one types on the screen", async (scene) => {
  const phone = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };
  const ada = await scene.person(phone);
  await ada.tap("#prompt-name");
  await ada.fill("#prompt-name", "Ada");
  await ada.tap("#prompt-go");
  await ada.waitForSelector("#app:not([hidden])");
  await ada.tap("#text");
  await ada.keyboard.type("one");
  await ada.keyboard.press("Enter");
  await ada.keyboard.type("two");
  assertEquals(await texts(ada), []);
  await ada.tap("#send");
  await hears(ada, "one\ntwo");
  await ada.fill("#text", "a".repeat(3_990));
  await ada.locator("#composer-hint", { hasText: "10 left" }).waitFor();
  await ada.fill("#text", "");
  assert(!await ada.isVisible("#composer-hint"));
  await ada.tap("#room-title");
  await ada.locator("#rooms.open").waitFor();
  await ada.fill("#room-name", "design");
  await ada.press("#room-name", "Enter");
  await ada.locator("#room-title", { hasText: "# design" }).waitFor();
  await ada.tap("#people-toggle");
  await ada.locator("#people.open").waitFor();
  await ada.touchscreen.tap(20, 400);
  await ada.locator("#people:not(.open)").waitFor({ state: "attached" });
  // What is to be tapped is large enough.
  const small = await ada.evaluate(() =>
    [...document.querySelectorAll("button, input, select")].filter((node) => {
      const { width, height } = node.getBoundingClientRect();
      return width > 0 && (width < 24 || height < 24);
    }).map((node) => node.outerHTML)
  );
  assertEquals(small, []);
});

test("lets one send, change or give up what did not go", async (scene) => {
  const ada = await scene.enter("Ada");
  const ben = await scene.enter("Ben");
  await ada.evaluate(() => {
    const keep = (nonce: string, state: string, hours: number) => {
      const at = Date.now() - hours * 3_600_000;
      const problem = { code: "connection_dropped", message: "" };
      const message = { nonce, room: "lobby", text: nonce, at, state, problem, owner: "gone" };
      localStorage.setItem(`parley.message.${nonce}`, JSON.stringify(message));
    };
    keep("one", "pending", 30);
    keep("two", "pending", 31);
    keep("three", "failed", 1);
    keep("four", "failed", 1);
  });
  await ada.reload();
  const row = (text: string) => ada.locator("#rows article", { hasText: text });
  const act = (text: string, what: string) => row(text).getByRole("button", { name: what }).click();
  await row("one").getByText("Written over a day ago").waitFor();
  await row("three").getByText("Not sent. The connection dropped each time").waitFor();
  await act("two", "Discard");
  await row("two").waitFor({ state: "detached" });
  await act("four", "Edit");
  assertEquals(await written(ada), "four");
  await row("four").waitFor({ state: "detached" });
  await act("one", "Send now");
  await act("three", "Try again");
  for (const text of ["one", "three"]) await hears(ben, text);
  await until("all is told", async () => await ada.locator("#rows .pending").count() === 0);
  assertEquals((await texts(ben)).toSorted(), ["one", "three"]);
});

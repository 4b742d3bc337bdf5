// The composer: drafts, completion, commands, limits, and unsent messages.

import { assert, assertEquals } from "@std/assert";
import {
  browserTest,
  joinRoom,
  messageTexts,
  openSettings,
  send,
  sharedServerOnly,
  waitForMessage,
  waitForRoom,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";
import type { Page } from "./browser_harness.ts";
import { signInScripted } from "./scripted_server.ts";

const draft = (page: Page) => page.inputValue("#text");

/** Waits for the composer's aids, which load after the page. */
async function waitForAids(page: Page): Promise<void> {
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

browserTest(
  "grows the composer with its text up to a limit, and shrinks it after sending",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const height = () => ada.locator("#text").evaluate((field) => field.clientHeight);
    const one = await height();
    await ada.type("#text", "one");
    await ada.keyboard.press("Shift+Enter");
    await ada.keyboard.type("two");
    assert(await height() > one);
    assertEquals(await messageTexts(ada), []);
    await ada.keyboard.press("Enter");
    await waitForMessage(ada, "one\ntwo");
    assertEquals(await height(), one);
    await ada.fill("#text", "line\n".repeat(200));
    const { inner, log } = await ada.evaluate(() => ({
      inner: innerHeight,
      log: document.querySelector("#log")?.clientHeight ?? 0,
    }));
    assert(await height() <= 0.41 * inner && log > 0.2 * inner);
  },
);

browserTest("fits the composer to its text in browsers without field-sizing", async (chat) => {
  const ada = await chat.newVisitor({ viewport: { width: 1280, height: 720 } });
  await ada.addInitScript(() => CSS.supports = () => false);
  await ada.route(/style[^/]*\.css$/, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace("field-sizing", "x-field-sizing");
    await route.fulfill({ response, body });
  });
  // Without its key, a private room has no composer.
  await chat.enter(ada, "Ada", `r/p-${"a".repeat(30)}`);
  await ada.locator("#composer").waitFor({ state: "hidden" });
  await ada.fill("#room-name", "lobby");
  await ada.press("#room-name", "Enter");
  await ada.locator("#text:focus").waitFor();
  const height = () => ada.locator("#text").evaluate((field) => field.clientHeight);
  const one = await height();
  assert(one > 16, `${one}`);
  await ada.keyboard.type("many words ".repeat(5));
  assertEquals(await height(), one);
  await ada.setViewportSize({ width: 360, height: 720 });
  await waitUntil("it grows", async () => await height() > one);
  // Measuring the text must not scroll the conversation.
  await send(ada, "line\n".repeat(90));
  await ada.fill("#text", "line\n".repeat(90));
  const log = ada.locator("#log");
  const fromEnd = () => log.evaluate((it) => it.scrollHeight - it.scrollTop - it.clientHeight);
  await log.evaluate((it) => it.scrollBy(0, -100));
  assertEquals(await fromEnd(), 100);
  await ada.press("#text", "x");
  assertEquals(await fromEnd(), 100);
});

browserTest("scrolls the conversation with page keys, unless the text needs them", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", ...Array.from({ length: 90 }, (_, i) => ({ text: `line ${i}.` })));
  await waitForMessage(ada, "line 89.");
  await waitForAids(ada);
  const scrollTop = () => ada.locator("#log").evaluate((log) => log.scrollTop);
  const end = await scrollTop();
  await ada.keyboard.press("PageUp");
  const above = await scrollTop();
  assert(above < end - 200, `${above} of ${end}`);
  await ada.keyboard.type("two\n".repeat(2));
  await ada.keyboard.press("PageDown");
  assert(await scrollTop() > above);
  await ada.fill("#text", "long\n".repeat(90));
  const before = await scrollTop();
  await ada.keyboard.press("PageUp");
  assertEquals(await scrollTop(), before);
}, sharedServerOnly);

browserTest(
  "suggests names wherever they can be mentioned, by any word and without accents",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    for (const username of ["Jürgen", "Bea Young", "Yoko"]) {
      server.push({ type: "joined", room: "lobby", member: username, username });
    }
    await ada.locator("#people-list li", { hasText: "Yoko" }).waitFor();
    await waitForAids(ada);
    const suggested = async (typed: string) => {
      await ada.fill("#text", typed);
      return await ada.locator("#suggestions li bdi").allTextContents();
    };
    assertEquals(await suggested("@jur"), ["@Jürgen"]);
    assertEquals(await suggested("@JÜ"), ["@Jürgen"]);
    assertEquals(await suggested("@yo"), ["@Yoko", "@Bea Young"]);
    for (const before of ["你好", "こんにちは、", "„", "(", "*", "👍"]) {
      assertEquals(await suggested(`${before}@jü`), ["@Jürgen"], before);
    }
    // Japanese input methods type full-width signs.
    assertEquals(await suggested("＠jü"), ["@Jürgen"]);
    await ada.keyboard.press("Enter");
    assertEquals(await draft(ada), "@Jürgen ");
    assertEquals(await suggested("＃lo"), ["#lobby"]);
    for (const before of ["mail", "Grüß", "https://example.com/", "@"]) {
      assertEquals(await suggested(`${before}@jü`), [], before);
    }
  },
  sharedServerOnly,
);

browserTest("inserts many lines that are pasted beside the composer at once", async (chat) => {
  const ada = await chat.signIn("Ada");
  await ada.fill("#text", "log:");
  const changes = await ada.evaluate((lines) => {
    let changes = 0;
    document.querySelector("#text")?.addEventListener("input", () => changes++);
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", lines);
    const options = { clipboardData, cancelable: true, bubbles: true };
    document.querySelector("#log")?.dispatchEvent(new ClipboardEvent("paste", options));
    return changes;
  }, "line\n".repeat(200));
  // Typed line by line, thousands of lines would freeze the page.
  assertEquals(changes, 1);
  assertEquals(await draft(ada), "log:" + "line\n".repeat(200));
});

browserTest("starts a new line on Alt+Enter, as Macs do in all fields", async (chat) => {
  const ada = await chat.signIn("Ada");
  await waitForAids(ada);
  await ada.keyboard.type("one");
  await ada.keyboard.press("Alt+Enter");
  await ada.keyboard.type("two");
  assertEquals(await draft(ada), "one\ntwo");
});

browserTest("sends nothing while an input method is composing", async (chat) => {
  const ada = await chat.signIn("Ada");
  const devtools = await ada.context().newCDPSession(ada);
  await ada.focus("#text");
  await devtools.send("Input.imeSetComposition", {
    text: "にほん",
    selectionStart: 3,
    selectionEnd: 3,
  });
  // Enter that picks a candidate comes during the composition, or after it with key code 229.
  for (const init of [{ isComposing: true }, { keyCode: 229 }]) {
    await ada.locator("#text").evaluate((field, init) => {
      field.dispatchEvent(
        new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true, ...init }),
      );
    }, init);
  }
  assertEquals(await draft(ada), "にほん");
  assertEquals(await messageTexts(ada), []);
  await devtools.send("Input.insertText", { text: "日本" });
  await ada.keyboard.press("Enter");
  await waitForMessage(ada, "日本");
});

browserTest("takes no key for an input method as a shortcut", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  type Init = Pick<KeyboardEventInit, "key" | "code" | "altKey" | "ctrlKey"> & {
    readonly isComposing?: boolean;
    readonly keyCode?: number;
  };
  const press = (selector: string, init: Init) =>
    ada.locator(selector).evaluate((field, init) => {
      field.dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, ...init }));
    }, init);
  await ada.focus("#room-name");
  for (const composing of [{ isComposing: true }, { keyCode: 229 }]) {
    // Cancels the composition.
    await press("#room-name", { key: "Escape", ...composing });
    // Converts it to another script.
    await press("#room-name", { key: "Process", code: "KeyK", ctrlKey: true, ...composing });
    await press("#room-name", { key: "ArrowDown", altKey: true, ...composing });
  }
  assertEquals(await ada.locator("#room-name:focus").count(), 1);
  assertEquals(await ada.locator("#dialog[open]").count(), 0);
  assertEquals(await ada.textContent("#room-title"), "# design");
  await openSettings(ada);
  await press("#new-name", { key: "Escape", keyCode: 229 });
  assertEquals(await ada.locator("#dialog[open]").count(), 1);
  await press("#new-name", { key: "Escape" });
  await ada.locator("#dialog").waitFor({ state: "hidden" });
});

browserTest(
  "edits the last message on arrow up, but only from an empty composer",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await waitForAids(ada);
    await send(ada, "tpyo");
    await waitForMessage(ada, "tpyo");
    await ada.keyboard.press("ArrowUp");
    assertEquals(await draft(ada), "tpyo");
    await ada.fill("#text", "other");
    await ada.keyboard.press("ArrowUp");
    assertEquals(await draft(ada), "other");
  },
);

browserTest(
  "cycles through matching names and rooms on Tab, and otherwise leaves Tab alone",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    for (const username of ["Ben", "Bea Young", "Çelik"]) {
      server.push({ type: "joined", room: "lobby", member: username, username });
    }
    await ada.locator("#people-list li", { hasText: "Çelik" }).waitFor();
    await waitForAids(ada);
    const completes = async (typed: string, ...expected: string[]) => {
      await ada.fill("#text", typed);
      for (const value of expected) {
        await ada.keyboard.press("Tab");
        assertEquals(await draft(ada), value);
      }
    };
    await completes("ask be", "ask @Bea Young ", "ask @Ben ", "ask @Bea Young ");
    await completes("@çe", "@Çelik ");
    await completes("see #lo", "see #lobby ");
    await completes("/join lo", "/join lobby ");
    await completes("/join #lo", "/join #lobby ");
    await completes("/nick be", "/nick @Bea Young ");
    // A crowded room has no list of members, but its authors can be completed.
    server.push({ type: "count", room: "lobby", count: 900 });
    server.publish("lobby", { from: "Zed", member: "zed" }, { from: "Zoe", member: "zoe" });
    await waitForMessage(ada, "m2");
    await completes("ask z", "ask @Zoe ", "ask @Zed ");
    assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
    // Code has no mentions.
    await completes("```\nz", "```\nz");
    await ada.focus("#text");
    await ada.fill("#text", "nobody");
    await ada.keyboard.press("Tab");
    assert(await ada.evaluate(() => document.activeElement?.id) !== "text");
  },
  sharedServerOnly,
);

browserTest(
  "keeps suggestions on the screen, each name on one line, above a keyboard",
  async (chat) => {
    const options = {
      viewport: { width: 360, height: 330 },
      hasTouch: true,
      isMobile: true,
      locale: "de-DE",
    };
    const { ada, server } = await signInScripted(chat, options);
    const names = ["I", "M", "W"].map((letter) => letter.repeat(24));
    server.publish("lobby", ...names.map((from) => ({ from, member: from })));
    await waitForMessage(ada, "m3");
    await waitForAids(ada);
    await ada.fill("#text", "@");
    const name = ada.getByTitle(`@${names[1]}`);
    const short = await ada.getByTitle(`@${names[0]}`).locator("..").boundingBox();
    const long = await name.locator("..").boundingBox();
    assertEquals(long?.height, short?.height);
    assert((long?.x ?? 0) + (long?.width ?? 0) <= 360);
    assert(await name.evaluate((node) => node.scrollWidth > node.clientWidth));
    await ada.fill("#text", "/");
    const list = await ada.locator("#suggestions").boundingBox();
    assert((list?.y ?? -1) >= 0, `${list?.y}`);
    await ada.press("#text", "ArrowUp");
    const selected = await ada.locator("#suggestions [aria-selected=true]").boundingBox();
    assertEquals(await ada.locator("#suggestions [aria-selected=true] bdi").textContent(), "/help");
    const end = (list?.y ?? 0) + (list?.height ?? 0);
    assert((selected?.y ?? Infinity) + (selected?.height ?? 0) <= end);
  },
  sharedServerOnly,
);

browserTest(
  "suggests members, then authors who are away, after an @, and rooms after a #",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    server.publish("lobby", { from: "Bob", member: "bob" }, { from: "Zoe", member: "zoe" });
    for (const username of ["Ben", "Bea Young", "Bea"]) {
      server.push({ type: "joined", room: "lobby", member: username, username });
    }
    await waitForMessage(ada, "m2");
    await ada.locator("#people-list li", { hasText: "Bea Young" }).waitFor();
    await waitForAids(ada);
    const listed = () => ada.locator("#suggestions li").allTextContents();
    const selected = () => ada.locator("#suggestions [aria-selected=true]").textContent();
    await ada.keyboard.type("hi @");
    assertEquals(await listed(), ["@Bea", "@Bea Young", "@Ben", "@Zoeaway", "@Bobaway"]);
    await ada.keyboard.type("b");
    assertEquals(await listed(), ["@Bea", "@Bea Young", "@Ben", "@Bobaway"]);
    await ada.keyboard.press("ArrowUp");
    assertEquals(await ada.getAttribute("#text", "aria-activedescendant"), "suggestion-3");
    assertEquals(await ada.getByRole("option", { selected: true }).textContent(), "@Bobaway");
    await ada.keyboard.press("Enter");
    assertEquals([await draft(ada), await listed()], ["hi @Bob ", []]);
    await ada.keyboard.press("Control+z");
    assertEquals(await draft(ada), "hi @b");
    await ada.keyboard.press("Escape");
    assertEquals([await draft(ada), await listed()], ["hi @b", []]);
    // A name may contain spaces. The list follows the cursor.
    await ada.fill("#text", "(@bea y");
    assertEquals(await listed(), ["@Bea Young"]);
    await ada.keyboard.press("ArrowLeft");
    await ada.keyboard.press("ArrowLeft");
    await ada.locator("#suggestions li", { hasText: /^@Bea$/ }).waitFor();
    assertEquals(await selected(), "@Bea");
    await ada.keyboard.press("End");
    await ada.locator("#suggestions li", { hasText: /^@Bea$/ }).waitFor({ state: "detached" });
    await ada.keyboard.press("Tab");
    assertEquals(await draft(ada), "(@Bea Young ");
    await ada.fill("#text", "see #l");
    await ada.locator("#suggestions li", { hasText: "#lobby" }).click();
    assertEquals(await draft(ada), "see #lobby ");
    await ada.fill("#text", "a@b");
    assertEquals(await listed(), []);
    await ada.fill("#text", "```\n@b");
    assertEquals(await listed(), []);
    assertEquals(await ada.textContent("#composer-hint"), "Ctrl+Enter to send");
    // Enter sends a whole name, even if a longer one starts with it.
    await ada.fill("#text", "hi @bea");
    await ada.keyboard.press("Enter");
    await waitForMessage(ada, "hi @bea");
    await ada.fill("#text", "@");
    assertEquals((await listed()).length, 5);
    await ada.focus("#me");
    assertEquals(await listed(), []);
  },
  sharedServerOnly,
);

browserTest("keeps a draft for each room, even across a reload", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await ada.fill("#text", "half of design");
  await ada.click("#room-list >> text=# lobby");
  await waitForRoom(ada, "lobby");
  await waitUntil("the composer is empty", async () => await draft(ada) === "");
  await ada.fill("#text", "half of lobby");
  await ada.reload();
  await ada.waitForSelector("#app:not([hidden])");
  await waitUntil("the draft is back", async () => await draft(ada) === "half of lobby");
  await ada.click("#room-list >> text=# design");
  await waitUntil("the other draft is back", async () => await draft(ada) === "half of design");
  await ada.fill("#text", "");
  await ada.click("#room-list >> text=# lobby");
  await ada.click("#room-list >> text=# design");
  await waitUntil("the composer is empty", async () => await draft(ada) === "");
});

browserTest("keeps the draft of each tab over a reload, and gives it to new tabs", async (chat) => {
  const one = await chat.signIn("Ada");
  const two = await chat.openTab(one.context());
  const waitForDraft = async (page: Page, text: string) => {
    await page.waitForSelector("#app:not([hidden])");
    assertEquals(await draft(page), text);
  };
  await waitForDraft(two, "");
  await one.fill("#text", "written in the first tab");
  await two.fill("#text", "written in the second tab");
  await one.reload();
  await waitForDraft(one, "written in the first tab");
  const three = await chat.openTab(one.context());
  await waitForDraft(three, "written in the second tab");
  await send(two, await draft(two));
  await waitForMessage(one, "written in the second tab");
  // A draft that a tab only showed does not return.
  await three.reload();
  await waitForDraft(three, "");
  assertEquals(await draft(one), "written in the first tab");
});

browserTest("undoes and redoes nothing that was typed in another room", async (chat) => {
  const ada = await chat.signIn("Ada");
  await waitForAids(ada);
  await joinRoom(ada, "design");
  const showOther = async (name: string) => {
    await ada.keyboard.press("Alt+ArrowDown");
    await waitForRoom(ada, name);
  };
  /** Undoes or redoes more steps than there are. Returns the texts. */
  const pressOften = async (key: string) => {
    const texts: string[] = [];
    for (let i = 0; i < 10; i++) {
      await ada.keyboard.press(key);
      texts.push(await draft(ada));
    }
    return texts;
  };
  const [undo, redo] = ["Control+z", "Control+Shift+z"];
  await ada.keyboard.type("deleted");
  await ada.keyboard.press("Control+a");
  await ada.keyboard.press("Delete");
  await showOther("lobby");
  assertEquals(new Set(await pressOften(undo)), new Set([""]));
  await ada.keyboard.type("undone");
  assertEquals((await pressOften(undo)).at(-1), "");
  await showOther("design");
  assertEquals(new Set(await pressOften(redo)), new Set([""]));
  // Within a room, all steps can be undone and redone.
  await ada.keyboard.type("one");
  assertEquals((await pressOften(undo)).at(-1), "");
  assertEquals((await pressOften(redo)).at(-1), "one");
  await ada.keyboard.press("Control+a");
  await ada.keyboard.press("Delete");
  await ada.keyboard.type("two");
  const undone = await pressOften(undo);
  assertEquals([undone.includes("one"), undone.at(-1)], [true, ""]);
  // An edit cannot be mixed with the text before it.
  await send(ada, "sent");
  await waitForMessage(ada, "sent");
  await ada.keyboard.type("deleted");
  await ada.keyboard.press("Control+a");
  await ada.keyboard.press("Delete");
  await ada.keyboard.press("ArrowUp");
  await ada.keyboard.type("!");
  assertEquals((await pressOften(undo)).at(-1), "sent");
});

browserTest("counts characters near the limit, and sends nothing over it [M1]", async (chat) => {
  const ada = await chat.signIn("Ada");
  const hint = () => ada.textContent("#composer-hint");
  await ada.fill("#text", "a".repeat(3_700));
  assertEquals(await hint(), "Enter to send");
  // The page counts code points, as the server does: each of these is one, though two units long.
  await ada.fill("#text", "𝒜".repeat(3_990));
  assertEquals(await hint(), "10 left");
  await ada.fill("#text", "a".repeat(4_003));
  assertEquals(await hint(), "3 over the limit");
  await ada.press("#text", "Enter");
  await ada.locator("#composer-problem", { hasText: "Messages can have up to 4,000" }).waitFor();
  assertEquals((await draft(ada)).length, 4_003);
  await ada.fill("#text", "a".repeat(4_000));
  await ada.press("#text", "Enter");
  await waitForMessage(ada, "a".repeat(4_000));
});

browserTest("sends a long paste as several messages, in order", async (chat) => {
  const ada = await chat.signIn("Ada");
  await waitForAids(ada);
  const paragraphs = ["a", "b", "c"].map((letter) => letter.repeat(3_000));
  await paste(ada, paragraphs.join("\n\n"));
  assertEquals(await ada.textContent("#composer-hint"), "5,004 over the limit");
  await ada.press("#text", "Enter");
  await ada.locator("#composer-problem", { hasText: "up to 4,000 characters" }).waitFor();
  await ada.click("text=Send as 3 messages");
  for (const paragraph of paragraphs) await waitForMessage(ada, paragraph);
  assertEquals(await draft(ada), "");
  const texts = await ada.locator("#rows article .text").allTextContents();
  assertEquals(texts.map((text) => text.charAt(0)), ["a", "b", "c"]);
  assert(!await ada.isVisible("text=Send as"));
  // The button had the focus.
  await ada.locator("#text:focus").waitFor();
  // The second slash only keeps the text from being a command.
  await ada.fill("#text", `//etc ${"x ".repeat(2_200)}`);
  await ada.click("text=Send as 2 messages");
  await ada.locator("#rows .text:not(.pending)", { hasText: /^\/etc x/ }).waitFor();
});

browserTest("refuses a paste that is far too long, and stays responsive", async (chat) => {
  const ada = await chat.signIn("Ada");
  await waitForAids(ada);
  await ada.fill("#text", "before ");
  await paste(ada, "x".repeat(1_000_000));
  await ada.locator("#composer-problem", { hasText: "can have up to 40,000 characters" })
    .waitFor();
  assertEquals(await draft(ada), "before ");
  await paste(ada, "𝒜".repeat(3_000));
  assertEquals((await draft(ada)).length, 7 + 2 * 3_000);
  assertEquals(await ada.textContent("#composer-problem"), "");
  await ada.press("#text", "Enter");
  await waitForMessage(ada, "before 𝒜𝒜");
});

browserTest(
  "lists and completes commands, and explains mistakes",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    await waitForAids(ada);
    await ada.type("#text", "/");
    assertEquals(await ada.locator("#suggestions li").count(), 9);
    await ada.keyboard.press("ArrowDown");
    assertEquals(await ada.getAttribute("#text", "aria-activedescendant"), "suggestion-1");
    await ada.keyboard.press("Tab");
    assertEquals(await draft(ada), "/join ");
    await ada.keyboard.type("design");
    await ada.keyboard.press("Enter");
    await waitForRoom(ada, "design");
    // Phones begin sentences with a capital letter.
    await ada.type("#text", "/Wh");
    await ada.locator("#suggestions li", { hasText: "/who" }).waitFor();
    await ada.keyboard.press("Escape");
    assert(!await ada.isVisible("#suggestions"));
    await send(ada, "/nothing");
    await ada.locator("#composer-problem", { hasText: "There is no /nothing" }).waitFor();
    await send(ada, "/join No Room!");
    await ada.locator("#composer-problem", { hasText: "Room names use" }).waitFor();
    // Accepted from the suggestions, and sent without an action.
    await send(ada, "/me ");
    await ada.locator("#composer-problem", { hasText: "Write something first" }).waitFor();
    assertEquals(await messageTexts(ada), []);
    await send(ada, "/me waves");
    await ada.locator("#rows .emote:not(.pending)", { hasText: "Ada waves" }).waitFor();
    await send(ada, "/help");
    await ada.locator("#dialog[open]", { hasText: "Commands and shortcuts" }).waitFor();
    await ada.keyboard.press("Escape");
    assertEquals(await ada.evaluate(() => document.activeElement?.id), "text");
  },
);

browserTest("copies a code block exactly as written", async (chat) => {
  const ada = await chat.signIn("Ada", { permissions: ["clipboard-read", "clipboard-write"] });
  const code = "if (a < b) {\n\treturn `x`; // *no* _signs_\n}";
  await send(ada, `look:\n\`\`\`ts\n${code}\n\`\`\``);
  await waitForMessage(ada, "return");
  await ada.clock.install();
  const copy = ada.locator("#rows .block button");
  await copy.focus();
  await copy.press("Enter");
  await ada.locator("#rows .block button", { hasText: "Copied" }).waitFor();
  await ada.clock.fastForward(2_000);
  assertEquals(await copy.textContent(), "Copy");
  assertEquals(await ada.evaluate(() => navigator.clipboard.readText()), code);
});

browserTest("switches rooms with Alt and the arrow keys", async (chat) => {
  const ada = await chat.signIn("Ada");
  for (const name of ["design", "garden"]) await joinRoom(ada, name);
  for (const [key, name] of [["Down", "lobby"], ["Up", "garden"], ["Up", "design"]] as const) {
    await ada.keyboard.press(`Alt+Arrow${key}`);
    await waitForRoom(ada, name);
  }
  // With a second modifier, these keys select text on a Mac, and move through tables in screen
  // readers.
  for (const other of ["Shift", "Control", "Meta"]) {
    await ada.keyboard.press(`Alt+${other}+ArrowUp`);
    assertEquals(await ada.textContent("#room-title"), "# design");
  }
});

browserTest("accepts characters typed with a Mac's Option key", async (chat) => {
  const ada = await chat.newVisitor();
  await ada.addInitScript(() =>
    Object.defineProperty(navigator, "platform", { value: "MacIntel" })
  );
  await chat.enter(ada, "Ada");
  await ada.focus("#me");
  // The @ of a German keyboard.
  const key = { key: "@", code: "KeyL", altKey: true, bubbles: true };
  await ada.locator("#me").evaluate(
    (node, key) => void node.dispatchEvent(new KeyboardEvent("keydown", key)),
    key,
  );
  await ada.locator("#text:focus").waitFor();
});

browserTest(
  "starts a new line on Enter and sends with the button on a touch screen",
  async (chat) => {
    const phone = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };
    const ada = await chat.visit(phone);
    await ada.tap("#prompt-name");
    await ada.fill("#prompt-name", "Ada");
    await ada.tap("#prompt-go");
    await ada.waitForSelector("#app:not([hidden])");
    await ada.tap("#text");
    await ada.keyboard.type("one");
    await ada.keyboard.press("Enter");
    await ada.keyboard.type("two");
    assertEquals(await messageTexts(ada), []);
    assertEquals(await ada.getAttribute("#text", "enterkeyhint"), "enter");
    await ada.tap("#send");
    await waitForMessage(ada, "one\ntwo");
    // The text keeps the focus, so the phone's keyboard stays open.
    await ada.keyboard.type("by keyboard");
    await ada.keyboard.press("Control+Enter");
    await waitForMessage(ada, "by keyboard");
    await ada.fill("#text", "a".repeat(3_990));
    await ada.locator("#composer-hint", { hasText: "10 left" }).waitFor();
    await ada.fill("#text", "");
    assert(!await ada.isVisible("#composer-hint"));
    await ada.tap("#room-title");
    await ada.locator("#rooms.open").waitFor();
    await ada.fill("#room-name", "design");
    await ada.press("#room-name", "Enter");
    await waitForRoom(ada, "design");
    await ada.tap("#people-toggle");
    await ada.locator("#people.open").waitFor();
    await ada.touchscreen.tap(20, 400);
    await ada.locator("#people:not(.open)").waitFor({ state: "attached" });
    // Every tap target is at least 24 px wide and high.
    const small = await ada.evaluate(() =>
      [...document.querySelectorAll("button, input, select")].filter((node) => {
        const { width, height } = node.getBoundingClientRect();
        return width > 0 && (width < 24 || height < 24);
      }).map((node) => node.outerHTML)
    );
    assertEquals(small, []);
  },
);

browserTest("offers to send, edit or discard unsent messages", async (chat) => {
  const ada = await chat.signIn("Ada");
  const ben = await chat.signIn("Ben");
  await ada.evaluate(() => {
    const store = (nonce: string, state: string, hours: number) => {
      const at = Date.now() - hours * 3_600_000;
      const problem = { code: "connection_dropped", message: "" };
      const message = { nonce, room: "lobby", text: nonce, at, state, problem, owner: "gone" };
      localStorage.setItem(`parley.message.${nonce}`, JSON.stringify(message));
    };
    store("one", "pending", 30);
    store("two", "pending", 31);
    store("three", "failed", 1);
    store("four", "failed", 1);
  });
  await ada.reload();
  const row = (text: string) => ada.locator("#rows article", { hasText: text });
  const act = (text: string, what: string) => row(text).getByRole("button", { name: what }).click();
  await row("one").getByText("Written over a day ago").waitFor();
  await row("three").getByText("Not sent. The connection dropped each time").waitFor();
  await act("two", "Discard");
  await row("two").waitFor({ state: "detached" });
  await act("four", "Edit");
  assertEquals(await draft(ada), "four");
  await row("four").waitFor({ state: "detached" });
  await act("one", "Send now");
  await act("three", "Try again");
  for (const text of ["one", "three"]) await waitForMessage(ben, text);
  await waitForSent(ada);
  assertEquals((await messageTexts(ben)).toSorted(), ["one", "three"]);
});

browserTest("inserts text dragged within the page only in the composer", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", { text: "some words" });
  await waitForMessage(ada, "some words");
  await waitForAids(ada);
  await ada.evaluate(() => addEventListener("dragend", () => document.body.id = "dropped"));
  const words = ada.locator("#rows .text");
  await words.dblclick({ position: { x: 15, y: 10 } });
  const target = ada.locator("#log");
  await words.dragTo(target, { sourcePosition: { x: 15, y: 10 }, targetPosition: { x: 5, y: 5 } });
  await ada.locator("#dropped").waitFor();
  assertEquals(await draft(ada), "");
  await words.dblclick({ position: { x: 15, y: 10 } });
  await words.dragTo(ada.locator("#text"), { sourcePosition: { x: 15, y: 10 } });
  assertEquals((await draft(ada)).trim(), "some");
}, sharedServerOnly);

browserTest("pastes nothing on a middle click beside the composer", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  server.publish("lobby", { text: "a password" }, { text: "a message" });
  await waitForMessage(ada, "a message");
  // On Linux, a middle click pastes the selection.
  await ada.locator("#rows .text").first().click({ clickCount: 3 });
  await ada.locator("#rows .text").last().click({ button: "middle" });
  const pasted = () =>
    ada.locator("#log").evaluate((log) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", "a password");
      const options = { clipboardData, cancelable: true, bubbles: true };
      log.dispatchEvent(new ClipboardEvent("paste", options));
    });
  await pasted();
  assertEquals(await draft(ada), "");
  await ada.keyboard.press("Control");
  await pasted();
  assertEquals(await draft(ada), "a password");
}, sharedServerOnly);

browserTest(
  "accepts typing, pasting and links dropped anywhere, undoes a completion, and refuses files",
  async (chat) => {
    const ada = await chat.signIn("Ada");
    const ben = await chat.signIn("Benedikt");
    await ada.locator("#people-list", { hasText: "Benedikt" }).waitFor();
    await ben.close();
    await ada.click("#log");
    await ada.evaluate(() => document.querySelector("textarea")?.blur());
    await ada.keyboard.type("@Be");
    assertEquals(await draft(ada), "@Be");
    await ada.keyboard.press("Tab");
    assertEquals(await draft(ada), "@Benedikt ");
    await ada.keyboard.press("Control+z");
    assertEquals(await draft(ada), "@Be");
    for (const selector of ["#me", "#log"]) {
      await ada.focus(selector);
      await ada.keyboard.press("Escape");
      await ada.locator("#text:focus").waitFor();
    }
    // Undo has selected the text.
    await ada.keyboard.press("End");
    await ada.type("#room-name", "de");
    assertEquals([await draft(ada), await ada.inputValue("#room-name")], ["@Be", "de"]);
    await ada.focus("#log");
    await ada.locator("#log").evaluate((log) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", "lle");
      const options = { clipboardData, cancelable: true, bubbles: true };
      log.dispatchEvent(new ClipboardEvent("paste", options));
    });
    assertEquals(await draft(ada), "@Belle");
    await ada.locator("#text:focus").waitFor();
    const dropped = (selector: string, name: string, url: string) =>
      ada.locator(selector).evaluate((node, [name, url]) => {
        const dataTransfer = new DataTransfer();
        if (name) dataTransfer.items.add(new File(["x"], name, { type: "image/png" }));
        if (url) dataTransfer.setData("text/plain", url);
        const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
        return !node.dispatchEvent(drop);
      }, [name, url] as const);
    // The browser would open a link or file, but knows what to do with text in a field.
    assertEquals(await dropped("#text", "", "https://example.org/"), false);
    assertEquals(await dropped("#log", "", " https://example.org/"), true);
    assertEquals(await draft(ada), "@Belle https://example.org/");
    assertEquals(await dropped("#text", "photo.png", ""), true);
    await ada.getByText("Files can't be sent here.").waitFor();
  },
);

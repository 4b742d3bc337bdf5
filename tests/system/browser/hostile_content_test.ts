// Hostile people, servers, storages and addresses, none of which harm the page.

import { assert, assertEquals } from "@std/assert";
import { SeededRandom } from "../../support/seeded_random.ts";
import {
  browserTest,
  joinRoom,
  messageTexts,
  noRateLimit,
  openSettings,
  send,
  sharedServerOnly,
  signIn,
  waitForMessage,
  waitForRoom,
  waitForSent,
  waitUntil,
} from "./browser_harness.ts";
import type { BrowserContextOptions, Page, TestChat } from "./browser_harness.ts";
import { ScriptedServer, signInScripted } from "./scripted_server.ts";

const payloads = [
  "<img src=x onerror=pwned=1>",
  '"><script>pwned=1</script>',
  "<svg/onload=pwned=1>",
  "javascript:pwned=1",
  "https://example.org/\"onmouseover='pwned=1'",
  "https://example.org/<script>pwned=1</script>",
  "http://[::1]:x/`*_`_*",
  "mailto:a@b?subject=<b>",
  "```html\n<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>\n```",
  "`</code><script>pwned=1</script>`",
  "*<b onclick=pwned=1>*",
  "_&lt;i&gt;_ &amp; &#x3c;",
  "{{constructor.constructor('pwned=1')()}}",
  "\u202eevil\u2066\u2028\u0000\ud800",
  "__proto__",
  "a".repeat(3_000),
  "@Ada " + "*".repeat(500) + "`".repeat(500),
];
const allowedElements =
  "article time div bdi a code strong em s small blockquote pre button span p";

/** Elements, attributes and links that must not be in the page. */
async function injected(page: Page): Promise<string[]> {
  return await page.evaluate((allowedElements) => {
    const isPwned = "pwned" in globalThis ? ["pwned"] : [];
    const nodes = [...document.querySelectorAll("#rows *, #people-list *, #room-list *, .foot *")];
    const bad = nodes.filter((node) =>
      node.closest("#rows") !== null && !allowedElements.split(" ").includes(node.localName) ||
      [...node.attributes].some(({ name }) => name.startsWith("on")) ||
      node instanceof HTMLAnchorElement && !/^(https?|mailto):$/.test(node.protocol)
    );
    return [...isPwned, ...bad.map((node) => node.outerHTML)];
  }, allowedElements);
}

browserTest("creates no elements from messages or names", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  for (const [i, payload] of payloads.entries()) {
    const member = `m${i}`;
    const other = payloads[(i + 5) % payloads.length] ?? "";
    server.push({ type: "joined", room: "lobby", member, username: payload });
    server.publish("lobby", { member, from: payload, text: `${payload} ${other}` }, {
      member,
      from: payload,
      text: `/me ${other}`,
    });
    server.push(
      { type: "renamed", room: "lobby", member, from: payload, to: other },
      { type: "typing", room: "lobby", usernames: [payload, other] },
      { type: "error", re: "rename", code: "x", message: payload },
      { type: "joined", room: payload, member, username: payload },
      { type: "room", room: payload, epoch: "e", first: 1, offset: 0, messages: [] },
    );
    await waitUntil(
      "both messages are drawn",
      async () => (await messageTexts(ada)).length === 2 * i + 2,
    );
    assertEquals(await injected(ada), []);
  }
  await ada.locator("#room-list li").waitFor();
  assertEquals(await ada.locator("#room-list li").count(), 1);
}, sharedServerOnly);

browserTest(
  "creates no elements from random texts, and shows all their words",
  async (chat) => {
    const { ada, server } = await signInScripted(chat);
    const pieces = [
      ..."<>\"'`*_&/=\\:;@#()[]{} \n\t".split(""),
      ...["```", "<script>", "</div>", "<img src=x onerror=pwned=1>", "javascript:pwned=1", "&lt;"],
      ...[
        "https://a.example/",
        "http://",
        "mailto:a@b",
        "/me ",
        "@Ada",
        "\u202e",
        "\u2068",
        "é",
        "👍",
      ],
      ...["word", "on", "x"],
    ];
    const random = new SeededRandom(11);
    const messages = Array.from({ length: 600 }, (_, i) => {
      const length = 1 + random.below(24);
      const text = Array.from({ length }, () => random.pick(pieces)).join("");
      return { text: `${text} ${i}`, from: i % 2 === 0 ? "Ben" : text.slice(0, 24) };
    });
    server.publish("lobby", ...messages);
    await waitForMessage(ada, "599");
    assertEquals(await injected(ada), []);
    // Only the marks of formatting may be missing.
    const wordsOf = (text: string) => text.match(/[\p{L}\p{N}]+/gu)?.join("");
    const shown = await ada.locator("#rows .text").evaluateAll((nodes) =>
      nodes.map((node) => {
        const copy = node.cloneNode(true);
        if (copy instanceof Element) {
          for (const part of copy.querySelectorAll("button, bdi, a small")) part.remove();
        }
        return copy.textContent ?? "";
      })
    );
    const expected = messages.map(({ text }) => wordsOf(text.replace(/^\/me /, "")));
    assertEquals(shown.map(wordsOf), expected.slice(-shown.length));
    assert(shown.length >= 400);
  },
  sharedServerOnly,
);

/** Signs in to a scripted server whose room has these messages, and waits for their formatting. */
async function showMessages(
  chat: TestChat,
  texts: readonly string[],
  options: BrowserContextOptions = {},
): Promise<Page> {
  const server = new ScriptedServer();
  server.append("lobby", ...texts.map((text) => ({ text, from: "Eve", member: "eve" })), {
    text: "*formatted*",
  });
  const { ada } = await signInScripted(chat, options, server);
  await ada.locator("#rows strong", { hasText: /^formatted$/ }).waitFor();
  return ada;
}

browserTest("folds messages of more than 20 lines", async (chat) => {
  const lines = Array.from({ length: 120 }, (_, i) => i === 99 ? "*found*" : `line ${i + 1}`);
  const short = lines.slice(0, 20).join("\n");
  const ada = await showMessages(chat, [short, lines.join("\n"), "x".repeat(3_000)]);
  const texts = ada.locator("#rows .text");
  assertEquals(await texts.nth(0).locator("button").count(), 0);
  const toggle = texts.nth(1).locator("button");
  assertEquals(await toggle.textContent(), "Show all (120 lines)");
  assertEquals(await toggle.getAttribute("aria-expanded"), "false");
  const heights = () => texts.evaluateAll((all) => all.map((node) => node.clientHeight));
  const [, folded = 0, long = 0] = await heights();
  assert(folded < 550 && long < 550, `${folded} and ${long} px`);
  await toggle.focus();
  await ada.keyboard.press("Enter");
  assertEquals(await toggle.textContent(), "Show less");
  assertEquals(await toggle.getAttribute("aria-expanded"), "true");
  const [, unfolded = 0] = await heights();
  assert(unfolded > 2_000, `${unfolded} px`);
  // The browser's own search scrolls to what it finds, as this does.
  await toggle.click();
  await texts.nth(1).locator("strong").evaluate((node) => node.scrollIntoView());
  await texts.nth(1).getByText("Show less").waitFor();
  await toggle.focus();
  // The focus stays on the button.
  assert(await ada.evaluate(() => document.activeElement?.className === "unfold"));
  await toggle.click();
  assertEquals((await heights())[1], folded);
}, sharedServerOnly);

browserTest("collapses blank lines into one", async (chat) => {
  const blank = ["\n", " \n", "\u200b\n", "\u2800\n", "\u3164\n"];
  const texts = blank.map((line) => `a${"\n"}${line.repeat(1_500)}b`);
  const ada = await showMessages(chat, [...texts, "a\n\nb"]);
  const heights = await ada.locator("#rows .text").evaluateAll((all) =>
    all.map((node) => node.clientHeight)
  );
  const usual = heights[texts.length];
  assertEquals(heights.slice(0, texts.length), texts.map(() => usual));
  assertEquals(await ada.locator("#rows .unfold").count(), 0);
}, sharedServerOnly);

browserTest("keeps stacked accents inside their row", async (chat) => {
  const ada = await showMessages(chat, ["above", "z\u0335\u0301\u0301algo", "below"]);
  const rows = ada.locator("#rows article");
  const neighbors = async () => [await rows.nth(0).screenshot(), await rows.nth(2).screenshot()];
  const before = await neighbors();
  // Not every font stacks accents. A shadow paints outside of its box just as they do.
  await rows.nth(1).evaluate((row) => {
    if (row instanceof HTMLElement) row.style.textShadow = "0 -24px red, 0 24px red";
  });
  assertEquals(await neighbors(), before);
}, sharedServerOnly);

for (
  const [device, options] of Object.entries({
    desktop: {},
    phone: { viewport: { width: 390, height: 844 } },
  })
) {
  browserTest(`lets no message imitate another's row on a ${device}`, async (chat) => {
    const fake = "\n\n**Ada**  11:42\nI resign";
    const ada = await showMessages(chat, [`hi${fake}`, "a"], options);
    const seen = await ada.locator("#rows article").first().evaluate((row) => {
      const style = (selector: string) => {
        const node = row.querySelector(selector);
        if (node === null) throw new Error(`No ${selector}`);
        const { color, fontSize } = getComputedStyle(node);
        const { left, top } = node.getBoundingClientRect();
        return { color, fontSize, left, top };
      };
      const text = row.querySelector(".text");
      return {
        name: style(".name"),
        bold: style("strong"),
        time: style("time"),
        line: text === null ? "" : getComputedStyle(text).borderInlineStartWidth,
      };
    });
    // Each name has its color, and the time is in the gutter, or small beside the name.
    assert(seen.bold.color !== seen.name.color);
    assertEquals([seen.bold.fontSize, seen.time.fontSize], ["15px", "12px"]);
    if (device === "desktop") assert(seen.time.left + 40 < seen.bold.left);
    else {
      assertEquals(seen.line, "2px");
      assert(seen.bold.left >= seen.name.left + 8);
    }
  });
}

browserTest("bounds the elements of messages full of markup", async (chat) => {
  const ada = await showMessages(chat, Array.from({ length: 60 }, () => "*a* ".repeat(1_000)));
  const counts = await ada.locator("#rows article").evaluateAll((rows) =>
    rows.map((row) => row.querySelectorAll("*").length)
  );
  assert(Math.max(...counts) < 220, `${Math.max(...counts)} elements`);
}, sharedServerOnly);

browserTest("shows where links lead", async (chat) => {
  const ada = await showMessages(chat, [
    "https://аррӏе.com/",
    "https://bank.example@evil.example/",
    "[bank.example](https://evil.example/)",
    "\u202ehttps://a.example/\u202egpj",
  ]);
  assertEquals(await ada.locator("#rows a").allTextContents(), [
    "https://аррӏе.com/ (xn--80ak6aa92e.com)",
    "https://bank.example@evil.example/ (evil.example)",
    "bank.example (evil.example)",
    "https://a.example/",
  ]);
  // This isolates a link: an override before it doesn't reach into it.
  assertEquals(
    await ada.locator("#rows a").last().evaluate((node) => getComputedStyle(node).unicodeBidi),
    "plaintext",
  );
}, sharedServerOnly);

browserTest("opens links to its own rooms without a reload", async (chat) => {
  const ada = await chat.signIn("Ada");
  const tabs = ada.context().pages().length;
  await send(ada, `see #design and ${chat.url}r/ops or ${chat.url}r/ops?x`);
  // Its row is drawn again then, and a click at that moment would be lost.
  await waitForSent(ada);
  const links = ada.locator("#rows a");
  await links.first().click();
  await waitForRoom(ada, "design");
  await ada.goBack();
  await waitForRoom(ada, "lobby");
  for (const nth of [1, 2]) {
    await links.nth(nth).click();
    await waitForRoom(ada, "ops");
    await ada.goBack();
    await waitForRoom(ada, "lobby");
  }
  assertEquals(ada.context().pages().length, tabs);
});

browserTest("sends text exactly as written", async (chat) => {
  const ada = await chat.signIn("Ada");
  const written = ["  if x:\n    y()", "¯\\_(ツ)_/¯", "COUNT(*), SUM(*)", "/usr/bin/env x"];
  for (const text of written) {
    await send(ada, text);
    await waitForMessage(ada, text.trim().slice(0, 5));
  }
  await send(ada, "//tmp");
  await waitForMessage(ada, "/tmp");
  assertEquals(await messageTexts(ada), [...written, "/tmp"]);
  await send(ada, "/tmp");
  await ada.locator("#composer-problem", { hasText: "or //tmp to send it as text" }).waitFor();
  await send(ada, "/ME waves");
  await ada.locator("#rows .emote", { hasText: "Ada waves" }).waitFor();
  await send(ada, "/JOIN design");
  await waitForRoom(ada, "design");
  // Inside a fence Enter makes a new line.
  await ada.focus("#text");
  await ada.keyboard.type("```");
  await ada.keyboard.press("Enter");
  await ada.keyboard.type("code");
  await ada.keyboard.press("Enter");
  await ada.keyboard.type("```");
  await ada.keyboard.press("Enter");
  await ada.locator("#rows pre", { hasText: /^code$/ }).waitFor();
});

browserTest("stays usable whatever the server pushes", async (chat) => {
  const { ada, server } = await signInScripted(chat);
  await send(ada, "before");
  await waitForMessage(ada, "before");
  const values = [undefined, null, 0, -1, 1e300, "x", [], {}, [null], true];
  const types = [
    "welcome room message ack history joined left renamed count typing error you future",
    "__proto__ constructor",
  ].join(" ").split(" ");
  const valid: Record<string, unknown> = {
    room: "lobby",
    member: "ben",
    from: "Ben",
    to: "Ben B",
    username: "Ben",
    usernames: ["Ben"],
    text: "hm",
    at: 1,
    nonce: "n",
    epoch: "e1",
    first: 1,
    messages: [],
    more: false,
    recovered: false,
    re: "message",
    code: "x",
    message: "no",
    count: 2,
    offset: 2,
  };
  for (const type of types) {
    for (const field of Object.keys(valid)) {
      for (const value of values) server.push({ ...valid, type, [field]: value });
    }
  }
  server.push({});
  server.push("x", 7, null);
  // A new connection to a sane server repairs the page.
  await send(ada, "after");
  await waitForMessage(ada, "after");
  assertEquals(await injected(ada), []);
}, sharedServerOnly);

browserTest("starts with any garbage in its storage", async (chat) => {
  const ada = await chat.signIn("Ada");
  await joinRoom(ada, "design");
  await send(ada, "kept");
  await waitForMessage(ada, "kept");
  await ada.evaluate(() => dispatchEvent(new Event("pagehide")));
  const keys = await ada.evaluate(() => Object.keys(localStorage));
  assert(keys.length > 3, keys.join());
  const message = {
    nonce: "n",
    room: "lobby",
    text: "t",
    at: 1e300,
    state: "pending",
    owner: "gone",
  };
  const snapshot = {
    position: { epoch: "e", offset: 1 },
    first: 1,
    messages: [{ offset: 1, member: "m", from: "f", text: "t", at: -1e300, nonce: "n" }],
  };
  const nonsense = [
    "",
    "{",
    "null",
    "7",
    "[]",
    '"x"',
    '[null,{},"__proto__","a b",1e999]',
    '{"__proto__":{"x":1},"lobby":-5,"design":1e300,"username":"\\u0000","theme":"<b>"}',
    JSON.stringify(message),
    JSON.stringify({ ...message, nonce: "no nonce", at: 1, room: "No Room" }),
    JSON.stringify(snapshot),
    "x".repeat(100_000),
  ];
  for (const [i, junk] of nonsense.entries()) {
    await ada.evaluate(([keys, junk]) => {
      for (const key of keys) localStorage.setItem(key, junk);
      localStorage.setItem("parley.message.x", junk);
      localStorage.setItem("parley.last.lobby", junk);
      localStorage.setItem("parley.draft.lobby", junk);
      sessionStorage.setItem("parley.owner", junk);
    }, [keys, junk] as const);
    await ada.goto(chat.server.url);
    await ada.locator("#prompt:not([hidden])").waitFor();
    await signIn(ada, `Ida ${i}`);
    await send(ada, `after ${junk.slice(0, 20)}`);
    await waitUntil("the message is sent", async () => {
      const sent = await ada.locator("#rows .text:not(.pending)").allTextContents();
      return sent.some((text) => text.startsWith("after"));
    });
    assertEquals(await injected(ada), []);
    await openSettings(ada);
    await ada.click("text=Sign out");
    await ada.locator("#prompt:not([hidden])").waitFor();
    await ada.evaluate(() => localStorage.clear());
  }
}, noRateLimit);

browserTest("shows the right room after quick switches and history navigation", async (chat) => {
  const server = new ScriptedServer();
  const rooms = ["lobby", "one", "two", "three", "four"];
  for (const name of rooms) {
    server.append(name, ...Array.from({ length: 120 }, (_, i) => ({ text: `${name} ${i + 1}` })));
  }
  const { ada } = await signInScripted(chat, {}, server);
  for (const name of rooms) await send(ada, `/join ${name}`);
  for (let i = 0; i < 60; i++) {
    const key = i % 3 === 2 ? "Alt+ArrowUp" : "Alt+ArrowDown";
    await ada.press("#text", key);
  }
  for (let i = 0; i < 8; i++) await ada.evaluate((i) => history.go(i % 3 === 2 ? 1 : -1), i);
  // The browser moves through its history in its own time.
  await waitUntil("title, address and messages agree", async () => {
    const name = (await ada.locator("#room-title").textContent())?.slice(2) ?? "";
    const path = new URL(ada.url()).pathname;
    const shown = await messageTexts(ada);
    return path === (name === "lobby" ? "/" : `/r/${name}`) && shown.length === 100 &&
      shown.every((text) => text.startsWith(`${name} `));
  });
  assertEquals(await ada.locator("#room-list li").count(), rooms.length);
  assertEquals(await ada.locator("#room-list [aria-current]").count(), 1);
}, sharedServerOnly);

browserTest("trims a long room, unless the person has scrolled up", async (chat) => {
  const server = new ScriptedServer();
  server.append("lobby", ...Array.from({ length: 1_000 }, (_, i) => ({ text: `line ${i + 1}` })));
  const { ada } = await signInScripted(chat, {}, server);
  await waitForMessage(ada, "line 1000");
  const count = () => ada.locator("#rows article").count();
  await waitUntil("all messages are loaded", async () => {
    await ada.evaluate(() => document.querySelector("#log")?.scrollTo(0, 0));
    return await count() === 1_000;
  });
  await ada.click("#to-end");
  server.publish("lobby", { text: "and goes on" });
  await waitForMessage(ada, "and goes on");
  assert(await count() <= 600);
}, sharedServerOnly);

browserTest("ignores invalid addresses and fragments", async (chat) => {
  const ada = await chat.signIn("Ada");
  for (const path of ["r/..%2f", "r/%3Cscript%3E", "r/-", "r/a/b"]) {
    const response = await ada.goto(chat.server.url + path);
    assertEquals(response?.status(), 404, path);
  }
  for (const hash of ["#%", "#token=%E0%A4%A", "#token=<b>&name=<b>", "#".repeat(2_000)]) {
    await ada.goto("about:blank");
    await ada.goto(chat.server.url + hash);
    await ada.waitForSelector("#app:not([hidden])");
    assertEquals(await ada.locator("#dialog[open]").count(), 0);
  }
  chat.consoleErrors.splice(
    0,
    chat.consoleErrors.length,
    ...chat.consoleErrors.filter((text) => !/404/.test(text)),
  );
});

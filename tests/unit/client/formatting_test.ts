// Splitting a message into its parts.

import { assert, assertEquals } from "@std/assert";
import { findMentions, isEmojiOnly, parseMarkup } from "../../../static/client/state/formatting.ts";

function format(text: string, name = "Ada"): string {
  return parseMarkup(text, name).map((part) =>
    part.kind === "text"
      ? part.text
      : part.kind === "link"
      ? `<link ${part.href}>${part.text}</link>`
      : `<${part.kind}>${part.text}</${part.kind}>`
  ).join("");
}

Deno.test("parseMarkup() finds code, links, bold, italic and mentions", () => {
  const cases: [string, string][] = [
    ["plain text", "plain text"],
    ["a `b` c", "a <code>b</code> c"],
    ["*b* _i_", "<bold>b</bold> <italic>i</italic>"],
    ["snake_case_name 2*3*4", "snake_case_name 2*3*4"],
    ["```\ncode\n```", "<block>code</block>"],
    ["```ts\nlet a = `b`;\n```\nafter", "<block>let a = `b`;</block>after"],
    ["`*a*`", "<code>*a*</code>"],
    ["see https://a.example/x.", "see <link https://a.example/x>https://a.example/x</link>."],
    [
      "(https://a.example/b_(c))",
      "(<link https://a.example/b_(c)>https://a.example/b_(c)</link>)",
    ],
    ["https://a.example/(b).)*)", "<link https://a.example/(b)>https://a.example/(b)</link>.)*)"],
    [
      `https://a.example/(${")".repeat(1_900)}`,
      `<link https://a.example/()>https://a.example/()</link>${")".repeat(1_899)}`,
    ],
    ["mailto:a@b.example", "<link mailto:a@b.example>mailto:a@b.example</link>"],
    ["javascript:alert(1) data:text/html,x", "javascript:alert(1) data:text/html,x"],
    ["xhttps://a.example", "xhttps://a.example"],
    ["hi @Ada, @adam @ADA", "hi <mention>@Ada</mention>, @adam <mention>@ADA</mention>"],
    ["<b>bold</b> &amp;", "<b>bold</b> &amp;"],
    ["```", "```"],
    ["* a * b", "* a * b"],
  ];
  for (const [text, expected] of cases) assertEquals(format(text), expected);
});

Deno.test("parseMarkup() links to http, https and mailto only, and loses no text, for random input", () => {
  const pieces = [
    "http://",
    "https://",
    "javascript:",
    "@Ada",
    "`",
    "*",
    "_",
    "```",
    "\n",
    "<",
    "%",
    "é",
    " ",
    "a",
    "://",
    "\\",
    "[",
    "]",
  ];
  let seed = 7;
  const random = () => (seed = Math.imul(seed, 1103515245) + 12345 >>> 0) / 2 ** 32;
  for (let i = 0; i < 5_000; i++) {
    const text = Array.from({ length: 12 }, () => pieces[Math.floor(random() * pieces.length)])
      .join("");
    let at = 0;
    for (const part of parseMarkup(text, "Ada")) {
      assert(part.text !== "");
      if (part.kind === "link") assert(/^(https?:\/\/|mailto:)/.test(part.href), part.href);
      // Each part is in the text, and only markup signs are left out.
      const start = text.indexOf(part.text, at);
      assert(start >= 0 && /^[`*_\n]*[a-z0-9+#-]{0,20}[`*_\n]*$/.test(text.slice(at, start)), text);
      at = start + part.text.length;
    }
  }
});

Deno.test("parseMarkup() takes linear time for pathological input", () => {
  for (const piece of ["`", "*a", "_a ", "```", "https://", "https://a)", ")", "@Ada", "*_`"]) {
    parseMarkup(piece.repeat(4_000 / piece.length), "Ada");
  }
});

Deno.test("findMentions() finds whole names only", () => {
  assertEquals(findMentions("@Ada @Ada1 a@Ada @ada.", "Ada"), [0, 12, 17]);
  assertEquals(findMentions("@ @", ""), []);
});

Deno.test("isEmojiOnly() is true for up to six emoji and nothing else", () => {
  for (const text of ["👍", "👩‍👩‍👧 🎉", "🇫🇷"]) assert(isEmojiOnly(text), text);
  for (const text of ["a", "1", "👍 ok", "👍".repeat(7), ""]) assert(!isEmojiOnly(text), text);
});

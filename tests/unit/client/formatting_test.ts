// Formatting of message texts, by the rules in docs/formatting.md.

import { threadCpuUsage } from "node:process";
import { assert, assertEquals } from "@std/assert";
import {
  formattedPartsMax,
  isEmojiOnly,
  mentions,
  parseText,
} from "../../../static/client/state/formatting.ts";
import type { TextPart } from "../../../static/client/state/formatting.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const ada = { name: "Ada", names: ["Ben", "Ada Byron"] };

/** Writes parts as tags, so that a case is one line. */
function tagged(parts: readonly TextPart[]): string {
  return parts.map((part) => {
    switch (part.kind) {
      case "text":
        return part.text;
      case "link": {
        const host = part.host === undefined ? "" : `|${part.host}`;
        return `<link ${part.href}${host}>${tagged(part.parts)}</link>`;
      }
      case "room":
        return `<room ${part.room}>${part.text}</room>`;
      case "code":
      case "block":
      case "mention":
        return `<${part.kind}>${part.text}</${part.kind}>`;
      default:
        return `<${part.kind}>${tagged(part.parts)}</${part.kind}>`;
    }
  }).join("");
}

function check(cases: readonly (readonly [text: string, expected: string])[]): void {
  for (const [text, expected] of cases) assertEquals(tagged(parseText(text, ada)), expected);
}

Deno.test("parseText() keeps text that isn't meant as formatting", () => {
  const texts = [
    "plain text",
    "¯\\_(ツ)_/¯",
    "COUNT(*), SUM(*)",
    "snake_case_name and __init__ and a_b_c",
    "2*3*4 = 24, 2 * 3 * 4",
    "int *p, *q;",
    "f(*args, **kwargs)",
    "x *= 2; y *= 3",
    "**/node_modules/** src/**/*.ts",
    "(*_*) >_< ^_^ -_- T_T",
    'the signs "*" and "_", "*" and "_"',
    "* one\n* two\n- three\n1. four",
    "# heading\n## another",
    "*not\nclosed* _over\nlines_",
    "*a **b",
    "**",
    "***",
    "~5 minutes, ~10 at most, a~~b~~c",
    "> ",
    ">:( >_<",
    "```",
    "``` ```",
    "`open",
    "`over\nlines`",
    "[x] done, a[i](j), [text](javascript:alert(1)), [text](/path)",
    "javascript:alert(1) data:text/html,x",
    "xhttps://a.example https:// http://[ www. www.x",
    "#1 issue#two C# ## #",
    "<b>bold</b> &amp;",
    "    indented\n  less",
  ];
  check(texts.map((text) => [text, text]));
});

Deno.test("parseText() finds emphasis and nests it once", () => {
  check([
    ["„*Zitat*“ und »_Wort_«", "„<bold>Zitat</bold>“ und »<italic>Wort</italic>«"],
    ["*„Zitat“* und _«mot»_", "<bold>„Zitat“</bold> und <italic>«mot»</italic>"],
    ["¿*Qué* quieres?", "¿<bold>Qué</bold> quieres?"],
    ["「*重要*」です", "「<bold>重要</bold>」です"],
    ["*b* **b** _i_ ~~s~~", "<bold>b</bold> <bold>b</bold> <italic>i</italic> <strike>s</strike>"],
    [
      "(*b*) [_i_] *b*, *b*: *b*!",
      "(<bold>b</bold>) [<italic>i</italic>] <bold>b</bold>, <bold>b</bold>: <bold>b</bold>!",
    ],
    ["two **bold words** here", "two <bold>bold words</bold> here"],
    ["**bold _and italic_**", "<bold>bold <italic>and italic</italic></bold>"],
    ["*_both_*", "<bold><italic>both</italic></bold>"],
    ["**a _b ~~c~~ d_ e**", "**a <italic>b <strike>c</strike> d</italic> e**"],
    ["*a _b* c_", "<bold>a _b</bold> c_"],
    ["**a `*b*`**", "<bold>a <code>*b*</code></bold>"],
    ["**(a)**", "<bold>(a)</bold>"],
    ["*Ada*'s _x_。", "<bold>Ada</bold>'s <italic>x</italic>。"],
    ["**2*3*4**", "<bold>2*3*4</bold>"],
    ["_snake_case_", "<italic>snake_case</italic>"],
    ["*👍*", "<bold>👍</bold>"],
  ]);
});

Deno.test("parseText() finds code and quotes", () => {
  check([
    ["a `b` c", "a <code>b</code> c"],
    ["`*a*` `@Ada`", "<code>*a*</code> <code>@Ada</code>"],
    ["``a ` b`` `` `x` ``", "<code>a ` b</code> <code>`x`</code>"],
    ["```\ncode\n```", "<block>code</block>"],
    ["before\n```ts\nlet a = `b`;\n```\nafter", "before<block>let a = `b`;</block>after"],
    ["```c++\nint x;```", "<block>int x;</block>"],
    ["```\n  if x:\n\n\n    y\n```", "<block>  if x:\n\n\n    y</block>"],
    ["````\n```\n````", "<block>```</block>"],
    ["```a``` b", "<block>a</block> b"],
    ["```js\nconst a = 1;", "```js\nconst a = 1;"],
    ["> a\n> *b*\nc", "<quote>a\n<bold>b</bold></quote>c"],
    ["a\n> b\n>\n> c", "a<quote>b\n\nc</quote>"],
    ["a > b", "a > b"],
  ]);
});

Deno.test("parseText() links whole URLs and nothing around them", () => {
  const link = (text: string, href = text, host = "") =>
    `<link ${href}${host && "|"}${host}>${text}</link>`;
  check([
    ["see https://a.example/x.", `see ${link("https://a.example/x")}.`],
    [
      "请看https://example.com，谢谢",
      `请看${link("https://example.com", "https://example.com/")}，谢谢`,
    ],
    ["（https://a.example/x）", `（${link("https://a.example/x")}）`],
    [
      "https://en.wikipedia.org/wiki/Euler's_formula",
      link("https://en.wikipedia.org/wiki/Euler's_formula"),
    ],
    [
      "https://en.wikipedia.org/wiki/Erdős–Rényi_model",
      link(
        "https://en.wikipedia.org/wiki/Erdős–Rényi_model",
        "https://en.wikipedia.org/wiki/Erd%C5%91s%E2%80%93R%C3%A9nyi_model",
      ),
    ],
    ["(https://a.example/b_(c))", `(${link("https://a.example/b_(c)")})`],
    ["https://a.example/(b).)*)", `${link("https://a.example/(b)")}.)*)`],
    ["[https://a.example/x[1]]", `[${link("https://a.example/x[1]")}]`],
    [`https://a.example/(${")".repeat(1_900)}`, link("https://a.example/()") + ")".repeat(1_899)],
    [`https://a.example/${"x".repeat(3_000)}`, link(`https://a.example/${"x".repeat(3_000)}`)],
    ["**https://a.example/x**", `<bold>${link("https://a.example/x")}</bold>`],
    ["https://a.example/x_, y_", `${link("https://a.example/x_")}, y_`],
    ["_https://a.example/x_", `<italic>${link("https://a.example/x")}</italic>`],
    ["https://a.example/x,y;z", link("https://a.example/x,y;z")],
    [
      "https://a.example,https://b.example/;www.example.com",
      `${link("https://a.example", "https://a.example/")},${link("https://b.example/")};` +
      link("www.example.com", "https://www.example.com/"),
    ],
    [
      "‘https://a.example/x’, ‚https://a.example/y‘",
      `‘${link("https://a.example/x")}’, ` +
      `‚${link("https://a.example/y")}‘`,
    ],
    ["https://a.example/l’x", link("https://a.example/l’x", "https://a.example/l%E2%80%99x")],
    ["'https://a.example/x'", `'${link("https://a.example/x")}'`],
    ["HTTPS://A.example/", link("HTTPS://A.example/", "https://a.example/")],
    ["www.example.com.", `${link("www.example.com", "https://www.example.com/")}.`],
    [
      "write joe_b.c@example.com!",
      `write ${link("joe_b.c@example.com", "mailto:joe_b.c@example.com")}!`,
    ],
    ["o'neil@example.com", "o'neil@example.com"],
    ["'joe@example.com'", `'${link("joe@example.com", "mailto:joe@example.com")}'`],
    ["_joe@example.com_", `<italic>${link("joe@example.com", "mailto:joe@example.com")}</italic>`],
    ["mailto:a@b.example", link("mailto:a@b.example")],
    ["https://a.example/@Ada", link("https://a.example/@Ada")],
    [
      "[the *docs*](https://a.example/x_(y))!",
      "<link https://a.example/x_(y)>the <bold>docs</bold></link>!",
    ],
    ["[write](mailto:a@b.example)", "<link mailto:a@b.example>write</link>"],
  ]);
});

Deno.test("parseText() names the host of a link that could hide it", () => {
  check([
    [
      "https://xn--80ak6aa92e.com/",
      "<link https://xn--80ak6aa92e.com/>https://xn--80ak6aa92e.com/</link>",
    ],
    [
      "https://аррӏе.com/",
      "<link https://xn--80ak6aa92e.com/|xn--80ak6aa92e.com>https://аррӏе.com/</link>",
    ],
    [
      "https://bank.example@evil.example/",
      "<link https://bank.example@evil.example/|evil.example>https://bank.example@evil.example/</link>",
    ],
    [
      "https:///evil.example",
      "<link https://evil.example/|evil.example>https:///evil.example</link>",
    ],
    [
      "[bank.example](https://evil.example/)",
      "<link https://evil.example/|evil.example>bank.example</link>",
    ],
    ["[a.example](https://a.example/x)", "<link https://a.example/x>a.example</link>"],
    // An address ends before an invisible character.
    [
      "https://a.example/\u202egpj.exe",
      "<link https://a.example/>https://a.example/</link>\u202egpj.exe",
    ],
    [
      "https://a.example/\u200b\u2066x",
      "<link https://a.example/>https://a.example/</link>\u200b\u2066x",
    ],
  ]);
});

Deno.test("parseText() links rooms", () => {
  check([
    ["see #dev-2, #Design.", "see <room dev-2>#dev-2</room>, <room design>#Design</room>."],
    ["(#dev) 请看 #dev", "(<room dev>#dev</room>) 请看 <room dev>#dev</room>"],
    ["＃dev", "<room dev>＃dev</room>"],
    ["`#dev` a#dev /#dev #dév", "<code>#dev</code> a#dev /#dev #dév"],
  ]);
});

Deno.test("parseText() finds mentions between words, outside code and URLs", () => {
  check([
    ["hi @Ada, @adam @ADA", "hi <mention>@Ada</mention>, @adam <mention>@ADA</mention>"],
    ["@Ada1 a@Ada @@Ada", "@Ada1 a@Ada @@Ada"],
    ["谢谢@Ada", "谢谢<mention>@Ada</mention>"],
    ["ありがとう＠Ada、a＠Ada", "ありがとう<mention>＠Ada</mention>、a＠Ada"],
    ["@Ada Byron and @Ada", "@Ada Byron and <mention>@Ada</mention>"],
    ["@Ada Byrons", "<mention>@Ada</mention> Byrons"],
    ["**@Ada** (@Ada)", "<bold><mention>@Ada</mention></bold> (<mention>@Ada</mention>)"],
    ["[@Ada](https://a.example/)", "<link https://a.example/>@Ada</link>"],
    ["```\n@Ada\n```", "<block>@Ada</block>"],
  ]);
  assert(mentions("> _@Ada_", ada));
  assert(mentions("＠Ada", ada));
  const joe = { name: "joe", names: [] };
  for (const text of ["", "joe", "`@joe`", "@joey", "a@joe.example", "https://x.example/@joe"]) {
    assert(!mentions(text, joe), text);
  }
  assert(!mentions("@example", { name: "", names: [] }));
  assert(!mentions("joe@example.com", { name: "example", names: [] }));
  assert(!mentions("@Ann Marie", { name: "Ann", names: ["Ann Marie"] }));
  assert(mentions("@Ann Marie", { name: "ann marie", names: ["Ann"] }));
  assert(!mentions("@李明", { name: "李", names: [] }));
  assert(mentions("@李，你好", { name: "李", names: [] }));
});

/** Counts the parts that aren't plain text. */
function formattedCount(parts: readonly TextPart[]): number {
  return parts.reduce(
    (count, part) =>
      count + (part.kind === "text" ? 0 : 1) + ("parts" in part ? formattedCount(part.parts) : 0),
    0,
  );
}

function plainText(parts: readonly TextPart[]): string {
  return parts.map((part) => "parts" in part ? plainText(part.parts) : part.text).join("");
}

const signs = [
  ..."*_~`>[](){}<@#/.,:;'\"!-\\\n\t ",
  ...["**", "~~", "``", "```", "````", "> ", "https://", "www.", "mailto:", "https://a.example/"],
  ...["](", "[a](https://b.example/)", "@Ada", "@Ada Byron", "#room", "a@b.example", "ts\n"],
  ...["a", "B", "é", "1", "谢", "👍", "\u202e", "\u200d", "，", "\ud800"],
];

/** Makes texts of signs, the same ones in every run. */
function* randomTexts(count: number, length: number) {
  const random = new SeededRandom(7);
  for (let i = 0; i < count; i++) {
    yield Array.from({ length: 1 + random.below(length) }, () => random.pick(signs)).join("");
  }
}

Deno.test("parseText() omits only marks from random texts", () => {
  const marks = /^(?:[*_~`> \t\n[]|\]\((?:https?:\/\/|mailto:)[^\s]*\)|[a-z0-9+#._-]{1,20}\n)*$/i;
  for (const text of randomTexts(30_000, 16)) {
    const parts = parseText(text, ada);
    const shown = plainText(parts);
    // Walk both at once: characters that only the text has must be marks.
    let at = 0;
    let skipped = "";
    for (const character of shown) {
      const found = text.indexOf(character, at);
      assert(found >= 0, JSON.stringify(text));
      skipped += text.slice(at, found);
      at = found + character.length;
    }
    if (!text.includes("](")) assert(marks.test(skipped + text.slice(at)), JSON.stringify(text));
    if (formattedCount(parts) === 0) assertEquals(shown, text);
  }
});

Deno.test("parseText() links random texts to http, https and mailto only", () => {
  const hrefs = (parts: readonly TextPart[]): string[] =>
    parts.flatMap((part) => [
      ...part.kind === "link" ? [part.href] : [],
      ..."parts" in part ? hrefs(part.parts) : [],
    ]);
  let count = 0;
  for (const text of randomTexts(30_000, 16)) {
    for (const href of hrefs(parseText(text, ada))) {
      assert(/^(?:https?:\/\/|mailto:)/.test(href), href);
      count++;
    }
  }
  assert(count > 1_000);
});

Deno.test("parseText() takes linear time", () => {
  const pieces = [
    ...signs,
    ...["*a ", "*a _b ", "a_ ", "*a a_ ", "**a _b ~~c ", "`a ``b ", "[a](http://x", "http://["],
    ...["https://a)", "x@", "a.b@c.d.", "(*a*) ", "\n> ", "> a\nb\n", "``` ```` ", "[a] ", "@Ada "],
  ];
  const mixed = ["*a ".repeat(600) + "a_ ".repeat(600), ...randomTexts(40, 600)];
  for (const piece of [...pieces, ...mixed]) {
    const text = piece.repeat(200_000 / piece.length);
    const before = threadCpuUsage();
    parseText(text, ada);
    // Linear time is below 100 ms, quadratic time is tens of seconds. CPU time, since others may
    // use the machine.
    const { user, system } = threadCpuUsage(before);
    const ms = (user + system) / 1_000;
    assert(ms < 1_500, `${JSON.stringify(piece)}: ${ms} ms`);
  }
});

Deno.test("parseText() bounds the formatted parts of a message", () => {
  for (
    const piece of [
      "*a* ",
      "`a` ",
      "https://a.example/ ",
      "@Ada ",
      "#room ",
      "> a\nb\n",
      "```a``` ",
    ]
  ) {
    const parts = parseText(piece.repeat(4_000 / piece.length), ada);
    const count = formattedCount(parts);
    assert(count >= formattedPartsMax / 2 && count <= formattedPartsMax, `${piece}: ${count}`);
  }
  const long = "*a* ".repeat(1_000);
  assert(plainText(parseText(long, ada)).endsWith("*a* *a* "));
});

Deno.test("isEmojiOnly() is true for up to six emoji and nothing else", () => {
  for (const text of ["👍", "👩‍👩‍👧 🎉", "🇫🇷", "❤️ 1️⃣", "ℹ️"]) assert(isEmojiOnly(text), text);
  for (const text of ["a", "1", "👍 ok", "👍".repeat(7), ""]) assert(!isEmojiOnly(text), text);
});

// Search queries, words and matches.

import { assert, assertEquals } from "@std/assert";
import { matchesOf, parseQuery, queryMaxLength, wordsOf } from "../../../app/protocol/search.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

function words(text: string): string {
  return wordsOf(text).map(({ word }) => word).join(" ");
}

/** Returns the matches of a query in a text, or `undefined`. */
function matches(query: string, text: string, from = "Ada"): readonly string[] | undefined {
  const parsed = parseQuery(query);
  assert(parsed !== undefined, query);
  return matchesOf(parsed, { from, text })?.map(([start, end]) => text.slice(start, end));
}

Deno.test("wordsOf() ignores case, accents and punctuation [F3]", () => {
  assertEquals(words("Grüße, Straße! don't"), "grusse strasse don t");
  assertEquals(words("ΟΔΟΣ Ёлка ＡＢＣ ½"), "οδοσ елка abc 12");
  assertEquals(words("https://ex.com/a_b 한국어"), "https ex com a b 한국어");
  assertEquals(words("x".repeat(100)), "x".repeat(64));
  // Sorting thousands of marks takes long, so only the first ones count.
  const marks = "\u0327\u0301\u0345\u0323";
  assertEquals(words(`x${marks.repeat(10)}y x${marks.repeat(900)}y`), "xy x");
  assertEquals(words(" … 🎉 "), "");
});

Deno.test("wordsOf() ignores optional vowels, emoji marks and letter styles [F3]", () => {
  assertEquals(words("مَكْتَب كـــتاب שָׁלוֹם"), "مكتب كتاب שלום");
  assertEquals(words("❤️ 1️⃣ \u0301 \ufe0f"), "1");
  assertEquals(words("𝒜𝐛ℂ"), "abc");
  assertEquals(words("हिन्दी"), "हिन्दी");
});

Deno.test("wordsOf() splits Chinese and Japanese into overlapping pairs [F3]", () => {
  assertEquals(words("東京都"), "東京 京都 都");
  assertEquals(words("新版iPhone"), "新版 版 iphone");
  assertEquals(words("がラーメン。字"), "がラ ラー ーメ メン ン 字");
  assertEquals(wordsOf("a 東京").map(({ start, end }) => [start, end]), [[0, 1], [2, 4], [3, 4]]);
});

Deno.test("wordsOf() leaves Chinese and Japanese characters unchanged, as normalization does [F3]", () => {
  for (const [first, last] of [[0x3041, 0x3096], [0x30a1, 0x30fa], [0x4e00, 0x9fff]] as const) {
    for (let codePoint = first; codePoint <= last; codePoint++) {
      const character = String.fromCodePoint(codePoint);
      const normal = character.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").normalize("NFKC");
      assertEquals(normal, character);
      assertEquals(words(character), character);
    }
  }
});

Deno.test("parseQuery() parses words, prefixes, phrases, from: and in: [F2]", () => {
  assertEquals(parseQuery('Foo ba* "x Y" from:Ada in:#Lobby'), {
    phrases: [
      { words: ["foo"], isPrefix: false },
      { words: ["ba"], isPrefix: true },
      { words: ["x", "y"], isPrefix: false },
    ],
    from: { words: ["ada"], isPrefix: false },
    room: "lobby",
  });
  assertEquals(parseQuery("„zwei Wörter“"), {
    phrases: [{ words: ["zwei", "worter"], isPrefix: false }],
  });
  assertEquals(parseQuery('from:"Ada L"')?.from?.words, ["ada", "l"]);
  assertEquals(parseQuery("a*")?.phrases[0]?.isPrefix, false);
});

Deno.test("parseQuery() refuses queries without words, and long ones [F2]", () => {
  for (const query of ["", "*", '"', "in:lobby", "in:?? x", "x".repeat(queryMaxLength + 1)]) {
    assertEquals(parseQuery(query), undefined, query);
  }
  assertEquals(parseQuery("a b c d e f g h i j k"), undefined);
  for (
    const query of ["wa* wb* wc* wd*", "一 二 三 四", "wa* wb* wc* from:ad*", '"x wa*" wb* 一 二']
  ) {
    assertEquals(parseQuery(query) === undefined, !query.startsWith('"'), query);
  }
  assertEquals(parseQuery("wa* wb* 一 中文 wd from:ada")?.phrases.length, 5);
});

Deno.test("matchesOf() returns the ranges of all words, merged [F4]", () => {
  const text = "The quick brown fox, the QUICK fox";
  assertEquals(matches("quick", text), ["quick", "QUICK"]);
  assertEquals(matches('fox "quick brown"', text), ["quick brown", "fox", "fox"]);
  assertEquals(matches("qui* quick", text), ["quick", "QUICK"]);
  assertEquals(matches('"quick fox" quick', text), ["quick", "QUICK fox"]);
  assertEquals(matches("quick red", text), undefined);
  assertEquals(matches('"brown quick"', text), undefined);
  assertEquals(matches("from:ada", text), []);
  assertEquals(matches("quick from:ben", text), undefined);
  assertEquals(matches("strasse", "Straße"), ["Straße"]);
});

Deno.test("matchesOf() finds substrings of Chinese and Japanese [F3]", () => {
  assertEquals(matches("京都", "東京都の人"), ["京都"]);
  assertEquals(matches("東京都", "東京都の人"), ["東京都"]);
  assertEquals(matches("人", "東京都の人"), ["人"]);
  assertEquals(matches("東", "東京都の人"), ["東"]);
  assertEquals(matches("新版iph*", "最新版iPhone"), ["新版iPhone"]);
  assertEquals(matches("東都", "東京都の人"), undefined);
});

Deno.test("matchesOf() finds substrings of Thai, Lao, Khmer and Burmese [F3]", () => {
  assertEquals(matches("ครับ", "สวัสดีครับผม"), ["ครับ"]);
  assertEquals(matches("น้ำ", "ดื่มน้ำเย็น"), ["น้ำ"]);
  assertEquals(matches("ส", "สวัสดีครับผม"), ["ส", "ส"]);
  assertEquals(matches("ຂອບໃຈ", "ຂອບໃຈຫຼາຍໆ"), ["ຂອບໃຈ"]);
  assertEquals(matches("ភាសា", "ខ្ញុំរៀនភាសាខ្មែរ"), ["ភាសា"]);
  assertEquals(matches("စာ", "မြန်မာစာ"), ["စာ"]);
  assertEquals(matches("ครับดี", "สวัสดีครับผม"), undefined);
});

Deno.test("parseQuery() and matchesOf() take any text, and words have only letters and digits", () => {
  const random = new SeededRandom(1);
  const pieces = ['"', "*", "from:", "in:", "a", "ﷺ", "東", "京", "ß", "\u0301", "\ud800", "NEAR("]
    .concat([" ", "AND", "-", "^", "(", ")", "{", "}", ":", "'", "\\", "😀", "ｶﾞ", "İ", "\u0000"]);
  for (let i = 0; i < 5_000; i++) {
    const text = () => Array.from({ length: random.below(12) }, () => random.pick(pieces)).join("");
    const query = parseQuery(text());
    if (query === undefined) continue;
    const all = [...query.phrases, ...query.from === undefined ? [] : [query.from]];
    for (const word of all.flatMap(({ words }) => words)) {
      assert(/^[\p{L}\p{N}\p{M}\ufffd]+$/u.test(word), word);
    }
    const message = { from: text(), text: text() };
    for (const [start, end] of matchesOf(query, message) ?? []) {
      assert(start < end && end <= message.text.length);
    }
  }
});

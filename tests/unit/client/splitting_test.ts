// Splitting long texts.

import { assert, assertEquals } from "@std/assert";
import { splitText, startOf } from "../../../static/client/state/splitting.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const fits = (max: number) => (piece: string) => piece.length <= max;

Deno.test("splitText() cuts at paragraphs, then lines, words and characters", () => {
  assertEquals(splitText("short", 3, fits(20)), ["short"]);
  assertEquals(splitText("x".repeat(40), 3, fits(20))?.length, 3);
  assertEquals(splitText("x".repeat(40), 2, fits(20)), undefined);
  const split = (text: string) => splitText(text, 9, fits(20));
  assertEquals(split("aaa aaa aaa\n\nbbb bbb bbb"), ["aaa aaa aaa", "bbb bbb bbb"]);
  assertEquals(split("aaa aaa aaa\nbbb bbb bbb"), ["aaa aaa aaa", "bbb bbb bbb"]);
  assertEquals(split("aaa aaa aaa bbb bbb bbb"), ["aaa aaa aaa bbb", "bbb bbb"]);
  assertEquals(split("x".repeat(40)), ["x".repeat(16), "x".repeat(16), "xxxxxxxx"]);
});

Deno.test("splitText() never splits a character", () => {
  for (const character of ["𝒜", "e\u0301", "👩‍🚀"]) {
    const pieces = splitText(character.repeat(40), 99, fits(20)) ?? [];
    assertEquals(pieces.join(""), character.repeat(40));
    for (const piece of pieces) assertEquals(piece.replaceAll(character, ""), "");
  }
});

Deno.test("startOf() cuts between characters, unless the first one is too long", () => {
  assertEquals(startOf("abc", 3), "abc");
  assertEquals(startOf("abcd", 3), "abc");
  assertEquals(startOf("ab😀", 3), "ab");
  assertEquals(startOf("a👩‍🚀b", 4), "a");
  assertEquals(startOf("a🇩🇪🇫🇷", 7), "a🇩🇪");
  assertEquals(startOf("e\u0301".repeat(2), 3), "e\u0301");
  assertEquals(startOf(`e${"\u0301".repeat(9)}`, 3), "e\u0301\u0301");
});

Deno.test("splitText() closes and reopens a code block", () => {
  const text = "```ts\n  one();\n  two();\n  three();\n```\nend";
  const pieces = splitText(text, 9, fits(30));
  assertEquals(pieces, ["```ts\n  one();\n  two();\n```", "```ts\n  three();\n```\nend"]);
});

Deno.test("splitText() returns undefined if it takes too many pieces", () => {
  assertEquals(splitText("x".repeat(100), 3, fits(20)), undefined);
  assertEquals(splitText("x".repeat(100), 99, fits(3)), undefined);
});

Deno.test("splitText() makes pieces that fit, whatever the text", () => {
  const parts = ["a", " ", "\n", "\n\n", "word ", "𝒜", "\n```\n"];
  const random = new SeededRandom(1);
  for (let i = 0; i < 300; i++) {
    const text = Array.from({ length: random.below(60) }, () => random.pick(parts))
      .join("");
    const pieces = splitText(text, 99, fits(25));
    if (pieces === undefined) continue;
    for (const piece of pieces) assert(piece.length <= 25, JSON.stringify(piece));
    const letters = (text: string) => text.replace(/[\s`]/g, "");
    assertEquals(letters(pieces.join("")), letters(text));
  }
});

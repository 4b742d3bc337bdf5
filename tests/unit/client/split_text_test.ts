// Splitting of texts that are too long for one message.

import { assert, assertEquals } from "@std/assert";
import { codePointLength } from "../../../app/protocol/text.ts";
import { splitText } from "../../../static/client/state/split_text.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

Deno.test("splitText() keeps a text that fits", () => {
  assertEquals(splitText("a b", 20), ["a b"]);
  assertEquals(splitText("𝒜".repeat(20), 20), ["𝒜".repeat(20)]);
});

Deno.test("splitText() splits at a paragraph, else a line, else a word, else anywhere", () => {
  const cases: readonly [string, string[]][] = [
    ["1234567890\n\nabc def ghi", ["1234567890", "abc def ghi"]],
    ["1234567890\nabc def ghi", ["1234567890", "abc def ghi"]],
    ["1234567890 abc def ghi", ["1234567890 abc", "def ghi"]],
    ["12345678901234567890abc", ["1234567890123456", "7890abc"]],
    ["1234567890\n    if (x) {", ["1234567890", "    if (x) {"]],
  ];
  for (const [text, expected] of cases) assertEquals(splitText(text, 20), expected);
});

Deno.test("splitText() closes a code block at the end of a message and opens it again", () => {
  const text = "```ts\nfirst line\nsecond line\nthird\n```";
  assertEquals(splitText(text, 30), [
    "```ts\nfirst line\n```",
    "```ts\nsecond line\nthird\n```",
  ]);
});

Deno.test("splitText() loses no word and exceeds no limit, whatever the text", () => {
  const random = new SeededRandom(7);
  const parts = [
    "a",
    "word",
    " ",
    "\n",
    "\n\n",
    "```\n",
    "𝒜",
    "  ",
    "é",
    "long".repeat(9),
  ];
  for (let i = 0; i < 500; i++) {
    const text = Array.from({ length: random.below(200) }, () => random.pick(parts)).join("");
    const messages = splitText(text, 40);
    for (const message of messages) assert(codePointLength(message) <= 40, message);
    const letters = (text: string) => text.replace(/```|\s/g, "");
    assertEquals(letters(messages.join("")), letters(text));
  }
});

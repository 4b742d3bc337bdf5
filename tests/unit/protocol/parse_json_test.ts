// Parsing of JSON from clients.

import { assertEquals, assertThrows } from "@std/assert";
import { parseJson } from "../../../app/protocol/parse_json.ts";

const values: readonly unknown[] = [
  "4294967294",
  "123456",
  "12345",
  "12345678901",
  "0123456789",
  ["1234567", { a: "7654321", b: ["1234567"] }],
  { 1234567: "1234567", "a": 1234567 },
  'she said "1234567"',
  '"1234567',
  'x"1234567',
  '"1234567"',
  "\\",
  "\\1234567",
  '\\"1234567"',
  "\\u0031234567",
  "\u0000\u2028é",
  null,
  1.5,
];

Deno.test("parseJson() returns what JSON.parse() does", () => {
  for (const value of values) {
    for (const json of [JSON.stringify(value), JSON.stringify({ a: "1234567", value }, null, 2)]) {
      assertEquals(parseJson(json), JSON.parse(json), json);
    }
  }
  const escaped = String.raw`{"\u0031":"\u003123456\u0037","b":"\\u0031\"\u0031","c":"\\\u0031"}`;
  assertEquals(parseJson(escaped), JSON.parse(escaped));
  const wrong = [
    '"1234567" 1',
    "\\u0031",
    String.raw`{"a":\u0031}`,
    String.raw`["\"",\u0031]`,
    String.raw`"\u000\u0031"`,
  ];
  for (const json of wrong) assertThrows(() => parseJson(json), SyntaxError);
});

Deno.test("parseJson() gives V8 no short string of digits, whose hash is its value", () => {
  const parse = JSON.parse;
  const seen: string[] = [];
  JSON.parse = (json, reviver) => {
    // A reviver would take 20 times as long, and up to 10 ms for a frame.
    assertEquals(reviver, undefined);
    parse(json, (_, value) => void (typeof value === "string" && seen.push(value)));
    return parse(json);
  };
  try {
    parseJson('{"a":["4294967294","123456", "1234567"],"b":"1234567","c":"word"}');
    parseJson(String.raw`["\u003123456\u0037","12345\u0036",{"a":"\\\u0031\u0032"}]`);
  } finally {
    JSON.parse = parse;
  }
  assertEquals(seen.filter((text) => /^\d{6,10}$/.test(text)), []);
  assertEquals(seen.length, 8);
});

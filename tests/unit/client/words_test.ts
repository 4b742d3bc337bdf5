import { assert, assertEquals } from "@std/assert";
import { cleanText, parseUsername } from "../../../app/protocol/text.ts";
import { words as englishPanels } from "../../../static/client/words/panel_words_en.ts";
import { words as germanPanels } from "../../../static/client/words/panel_words_de.ts";
import { words as english } from "../../../static/client/words/words_en.ts";
import { words as german } from "../../../static/client/words/words_de.ts";

await german.loadRest();
const root = new URL("../../../", import.meta.url);

/** The shape of words: what is text, what is a list, what is a function of how many values. */
function shapeOf(value: unknown): unknown {
  if (typeof value === "function") return `function of ${value.length}`;
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  const entries = Object.entries(value).filter(([key]) => key !== "page");
  return Object.fromEntries(entries.map(([key, part]) => [key, shapeOf(part)]));
}

Deno.test("words are the same in number and kind in every language", () => {
  assertEquals(shapeOf(german), shapeOf(english));
  assertEquals(shapeOf(germanPanels), shapeOf(englishPanels));
});

Deno.test("words say one and many as each language does", () => {
  assertEquals([1, 2].map(english.newMessages), ["1 new message", "2 new messages"]);
  assertEquals([1, 2, 1200].map(german.newMessages), [
    "1 neue Nachricht",
    "2 neue Nachrichten",
    "1.200 neue Nachrichten",
  ]);
  assertEquals(
    [[0, 0], [1, 0], [30, 0], [0, 1_000], [30, 1_000]].map(([days = 0, most = 0]) =>
      english.kept(days, most)
    ),
    [
      "messages are kept",
      "messages kept for 1 day",
      "messages kept for 30 days",
      "the last 1,000 messages are kept",
      "the last 1,000 messages of 30 days are kept",
    ],
  );
  assertEquals(german.typing(["Ada", "Ben"]), "Ada und Ben schreiben");
  assertEquals(german.joined(["Ada", "Ben", "Cy", "Di"]), "Ada, Ben und 2 andere sind gekommen");
});

Deno.test("words.page has everything that is written in the page's file", async () => {
  const html = await Deno.readTextFile(new URL("static/index.html", root));
  // What stands where there are no scripts stays as it is.
  const body = html.slice(html.indexOf("<body>")).replace(/<noscript>.*<\/noscript>/, "");
  const texts = [
    ...body.matchAll(/>([^<>]+)</g),
    ...body.matchAll(/(?:aria-label|placeholder)="([^"]+)"/g),
  ].map(([, text = ""]) => text.trim()).filter((text) => /[a-z]{2}/i.test(text));
  assert(texts.length > 8);
  // The script has other words for the button before anybody reads it.
  const same = ["Parley", "# lobby", "Enter"];
  const missing = texts.filter((text) => !same.includes(text) && german.page[text] === undefined);
  assertEquals(missing, []);
});

Deno.test("words.problem() has every sentence of the rules that the page keeps too", () => {
  const refused = [
    ...["", "x".repeat(30), "a!", "-a", "a  b", "a\u0301\u0302\u0303\u0304\u0305\u0306", "aя"].map(
      parseUsername,
    ),
    ...["", "x".repeat(5000)].map(cleanText),
  ].map((checked) => checked.ok ? "" : checked.message);
  assertEquals(new Set(refused).size, refused.length);
  for (const sentence of refused) assert(german.problem(sentence) !== sentence, sentence);
});

Deno.test("words.problem() has every sentence of the server that a person can meet", async () => {
  const client = ["chat_client", "connection", "outbox"].map((name) =>
    `static/client/state/${name}.ts`
  );
  const sources = ["app/chat/refusals.ts", "app/web/websocket.ts", ...client];
  /** Only a program that breaks the protocol, or no page at all, is told these. */
  const technical = /hello|^Join |WebSocket|header has|header "|subprotocol|JSON|binary/;
  const sentences: string[] = [];
  for (const path of sources) {
    const source = await Deno.readTextFile(new URL(path, root));
    for (
      const [, text = ""] of source.matchAll(
        /(?:message[:=]|message = .*\n?.*\?|", |\w:|#problem =|detail[:=]|return|\n\s+:)\s*["`]([A-Z$][^"`]{8,})["`]/g,
      )
    ) {
      const sentence = text.replace(/\$\{[^}]*\}/g, "20");
      sentences.push(
        sentence.startsWith("Too ") ? `${sentence}: try again in 20 seconds` : sentence,
      );
    }
  }
  const missing = sentences.filter((sentence) =>
    !technical.test(sentence) && german.problem(sentence) === sentence
  );
  assert(sentences.length > 8, sentences.join("\n"));
  assertEquals(missing, []);
});

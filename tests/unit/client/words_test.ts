// The page's words: each language has all of them, and a sentence for each problem people can
// encounter.

import { assert, assertEquals } from "@std/assert";
import { limits } from "../../../app/protocol/wire.ts";
import { banEndIn } from "../../../static/client/words/formats.ts";
import { words as englishPanels } from "../../../static/client/words/panel_words_en.ts";
import { words as germanPanels } from "../../../static/client/words/panel_words_de.ts";
import { words as english } from "../../../static/client/words/words_en.ts";
import { words as german } from "../../../static/client/words/words_de.ts";

const root = new URL("../../../", import.meta.url);

/** Codes that only a faulty client, another program or an operator encounters. */
const technicalCodes = new Set(
  `already_greeted body_timeout body_too_large credentials_required
  field_invalid handshake_invalid hello_required host_denied host_invalid internal local_only
  connection_reset media_type_unsupported method_not_allowed nonce_invalid nonce_reused not_acceptable not_joined
  not_sealed precondition_failed room_invalid subprotocol_unsupported token_invalid token_required unknown_type
  upgrade_required url_too_long version_unsupported`.split(/\s+/),
);

/** Returns the members of `ErrorCode` and `ProblemCode` in the protocol's source. */
async function protocolCodes(): Promise<string[]> {
  const sources = (await sourcesIn("app/protocol/")).join("\n");
  return ["ErrorCode", "ProblemCode"].flatMap((type) => {
    const [, union = ""] = new RegExp(`export type ${type} =([^;]*);`).exec(sources) ?? [];
    return [...union.matchAll(/"(\w+)"/g)].map(([, code = ""]) => code);
  });
}

/** Codes of problems that the page itself finds. */
async function pageCodes(): Promise<string[]> {
  const folders = ["static/client/", "static/client/state/", "static/client/views/"];
  const sources = (await Promise.all(folders.map(sourcesIn))).flat();
  return sources.flatMap((source) =>
    [...source.matchAll(/\bcode: "(\w+)"/g)].map(([, code = ""]) => code)
  );
}

async function sourcesIn(folder: string): Promise<string[]> {
  const directory = new URL(folder, root);
  const names = Array.from(Deno.readDirSync(directory), ({ name }) => name);
  const sources = names.filter((name) => name.endsWith(".ts"));
  return await Promise.all(sources.map((name) => Deno.readTextFile(new URL(name, directory))));
}

/** Returns the kinds of words: text, list, or function with its number of parameters. */
function shapeOf(value: unknown): unknown {
  if (typeof value === "function") return `function of ${value.length}`;
  if (Array.isArray(value)) return value.map(shapeOf);
  if (typeof value !== "object" || value === null) return typeof value;
  const entries = Object.entries(value).filter(([key]) => key !== "page");
  return Object.fromEntries(entries.map(([key, part]) => [key, shapeOf(part)]));
}

Deno.test("words have the same keys and kinds in every language", () => {
  assertEquals(shapeOf(german), shapeOf(english));
  assertEquals(shapeOf(germanPanels), shapeOf(englishPanels));
});

Deno.test("words use each language's plural and number format", () => {
  assertEquals([1, 2].map((count) => english.newMessages(count, false)), [
    "1 new message",
    "2 new messages",
  ]);
  assertEquals([1, 2, 1200].map((count) => german.newMessages(count, count === 1200)), [
    "1 neue Nachricht",
    "2 neue Nachrichten",
    "Mehr als 1.200 neue Nachrichten",
  ]);
  assertEquals(
    [[0, 0], [1, 0], [30, 0], [0, 1_000], [30, 1_000]].map(([days = 0, messages = 0]) =>
      englishPanels.retention(days, messages)
    ),
    [
      "history is kept",
      "messages kept for 1 day",
      "messages kept for 30 days",
      "last 1,000 messages kept",
      "last 1,000 messages kept, up to 30 days",
    ],
  );
  assertEquals([1, 3].map(englishPanels.missing), [
    "1 message not loaded. Scroll up to load it.",
    "3 messages not loaded. Scroll up to load them.",
  ]);
  assertEquals(englishPanels.typing(["Ada"]), "Ada is typing…");
  assertEquals(germanPanels.typing(["Ada", "Ben"]), "Ada und Ben schreiben …");
  assertEquals(
    germanPanels.joined(["Ada", "Ben", "Cy", "Di"]),
    "Ada, Ben und 2 weitere sind gekommen",
  );
});

Deno.test("words.page translates every text of index.html", async () => {
  const html = await Deno.readTextFile(new URL("static/index.html", root));
  // The texts for browsers that run no scripts are in both languages.
  const body = html.slice(html.indexOf("<body>"))
    .replace(/<noscript>[^]*?<\/noscript>/, "")
    .replace(/<p id="not-started"[^]*?<\/p>/, "");
  const texts = [
    ...body.matchAll(/>([^<>]+)</g),
    ...body.matchAll(/(?:aria-label|placeholder)="([^"]+)"/g),
  ].map(([, text = ""]) => text.trim()).filter((text) => /[a-z]{2}/i.test(text));
  assert(texts.length > 8);
  // Parley is a name, and the script replaces the other two at once.
  const untranslated = ["Parley", "# lobby", "Enter"];
  const missing = texts.filter((text) =>
    !untranslated.includes(text) && german.page[text] === undefined
  );
  assertEquals(missing, []);
  assertEquals(Object.keys(german.page).filter((text) => !texts.includes(text)), []);
});

Deno.test("problems have a sentence for exactly the codes that a person can encounter", async () => {
  const codes = [...await protocolCodes(), ...await pageCodes()];
  const expected = new Set(codes.filter((code) => !technicalCodes.has(code)));
  assert(expected.size > 20, `${[...expected]}`);
  for (const { problems } of [englishPanels, germanPanels]) {
    assertEquals(Object.keys(problems).toSorted(), [...expected].toSorted());
    for (const [code, text] of Object.entries(problems)) {
      const sentence = typeof text === "string"
        ? text
        : text({ code, message: "", retryAfter: 720_000 });
      assert(/^\p{Lu}.*[.…]$/u.test(sentence), `${code}: ${sentence}`);
    }
  }
});

Deno.test("the ban notice says when the ban ends [B4]", () => {
  const until = new Date(2030, 0, 2, 15, 4).getTime();
  assertEquals([String(until), "a reason"].map(banEndIn), [until, undefined]);
  assertEquals(
    englishPanels.banned(until).replace(/\s/g, " "),
    "A moderator has banned you until January 2, 2030 at 3:04 PM.",
  );
  assertEquals(
    germanPanels.banned(until),
    "Die Moderation hat dich bis 2. Januar 2030 um 15:04 gesperrt.",
  );
  const { banned } = englishPanels.problems;
  const problem = { code: "banned", message: "", retryAfter: 86_400_000 };
  assert(typeof banned === "function");
  assertEquals(banned(problem), banned(problem));
});

Deno.test("problems name the limits of the protocol and the time to wait", () => {
  for (const [words, language] of [[englishPanels, "en"], [germanPanels, "de"]] as const) {
    const expected = {
      text_too_long: limits.textMaxLength,
      too_many_rooms: limits.roomsPerSession,
      username_too_long: limits.usernameMaxLength,
    };
    for (const [code, limit] of Object.entries(expected)) {
      const number = limit.toLocaleString(language);
      assert(String(words.problems[code]).includes(number), `${code} in ${language}`);
    }
  }
  const limited = englishPanels.problems.rate_limited;
  assert(typeof limited === "function");
  const problem = { code: "rate_limited", message: "" };
  assertEquals(
    [
      limited({ ...problem, retryAfter: 300 }),
      limited({ ...problem, re: "rename", retryAfter: 720_000 }),
    ],
    [
      "Too many requests. Try again in 1 second.",
      "You've changed your name too often. Try again in 12 minutes.",
    ],
  );
});

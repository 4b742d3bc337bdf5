// Attacks inside a WebSocket: broken frames, broken JSON and malicious commands.

import { decodeCommand } from "../../../app/protocol/decode.ts";
import { closeCode, hubLimits } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import {
  command,
  converse,
  expect,
  hello,
  moderatorCode,
  newToken,
  provoke,
  pushes,
  repeated,
} from "./attack.ts";
import type { Attack, Target } from "./attack.ts";
import { concat, frame, opcode, RawSocket } from "../../support/raw_socket.ts";
import { until } from "../../support/waiting.ts";

/** Max refusals per connection, below the number that closes it. */
const maxRefusals = 90;
const fuzzConnections = 10;
const abnormal = 1006;
const mebibyte = 1024 * 1024;

const privateRoom = `p-${"a".repeat(30)}`;
/** A sealed text of the smallest size. Its first byte is 1. */
const sealedText = `AQ${"A".repeat(166)}`;

/** Valid commands of each type. */
const commands: readonly Readonly<Record<string, unknown>>[] = [
  { type: "hello", username: "Eve", token: "A".repeat(43), tab: "t", access: "a", rooms: [] },
  { type: "join", room: "fuzz", epoch: "abc", offset: 1 },
  { type: "leave", room: "fuzz" },
  { type: "message", room: "fuzz", text: "fuzz", nonce: "n1" },
  { type: "message", room: "fuzz", text: "fuzz", nonce: "n2", reply: 1 },
  { type: "message", room: privateRoom, text: sealedText, nonce: "n3" },
  { type: "edit", room: "fuzz", offset: 1, text: "fuzz", nonce: "n4" },
  { type: "edit", room: privateRoom, offset: 1, text: sealedText, nonce: "n5" },
  { type: "delete", room: "fuzz", offset: 1, nonce: "n6" },
  { type: "title", room: "fuzz", text: "fuzz", nonce: "n7", locked: true },
  { type: "search", query: 'fuzz "a phrase" fu* from:Eve in:fuzz', room: "fuzz", before: "1" },
  { type: "moderate", code: moderatorCode },
  { type: "mute", member: "m1", seconds: 60 },
  { type: "ban", member: "m1", seconds: 60, deleteMessages: true, network: true },
  { type: "lift", id: 1 },
  { type: "sanctions" },
  { type: "neighbors", member: "m1" },
  { type: "sweep", member: "m1", seconds: 60 },
  { type: "ping" },
  { type: "history", room: "fuzz", before: 10, limit: 5 },
  { type: "typing", room: "fuzz" },
  { type: "rename", username: "Eve2" },
  { type: "pong" },
];

/** Invalid values for any field. */
const wrongValues: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  "",
  "\0",
  "\ud800",
  "\u202egnal\u202c",
  "e" + "\u0301".repeat(4_000),
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  'fuzz" OR "x',
  "a* b* c* d*",
  "from:",
  2 ** 53,
  "A".repeat(168),
  `AR${"A".repeat(166)}`,
  "'; DROP TABLE messages; --",
  "<script>alert(1)</script>",
  "a".repeat(60_000),
  [],
  [[]],
  {},
  { __proto__: null, toString: 1, length: 1e9 },
  [{ room: { room: "a" } }],
  Array.from({ length: 1_000 }, () => ({ room: "a" })),
  Array.from({ length: 21 }, (_, i) => ({ room: `fuzz${i}` })),
];

/** Every command with each field missing and with each wrong value, and unusual or broken JSON. */
const wrongCommands: readonly string[] = [
  ...commands.flatMap((good) =>
    Object.keys(good).flatMap((field) => [
      JSON.stringify({ ...good, [field]: undefined }),
      ...wrongValues.map((value) => JSON.stringify({ ...good, [field]: value })),
    ])
  ),
  ...commands.map((good) => `{"__proto__":${JSON.stringify(good)}}`),
  ...commands.map((good) => JSON.stringify(good).replace("{", '{"__proto__":{"room":"lobby"},')),
  ...commands.map((good) => JSON.stringify({ ...good, constructor: { prototype: good } })),
  `{"type":"join","room":${'{"room":'.repeat(5_000)}1${"}".repeat(5_000)}}`,
  "[".repeat(60_000),
  '{"a":'.repeat(12_000),
  `{"type":"join","type":"leave","room":"a","room":"fuzz"}`,
  `{"type":"history","room":"fuzz","before":1e400}`,
  `{"type":"history","room":"fuzz","before":9007199254740993}`,
  `{"type":"history","room":"fuzz","before":-0}`,
  `\ufeff{"type":"pong"}`,
  "",
  "null",
  '"hello"',
  "NaN",
  "{",
];

/** Strings of digits that V8 would keep in one chain of its table of strings. */
const collidingStrings = Array.from({ length: 2 ** 15 }, (_, i) => String((i + 1) * 2 ** 17 - 1));
/** How many of them a frame may have, and frames per connection. */
const collidingPerFrame = 900;
const collidingFrames = 5;

const fragments = [
  ..."{}[]:,\"\\'",
  "\\u0000",
  "\\ud800",
  "\\",
  "1e999",
  "-",
  "null",
  '"type"',
  '"room"',
  '"lobby"',
  "__proto__",
  "\ud83d",
  "\u202e",
  "\0",
  "\u2028",
];

/** Returns a valid command with a mutation, or noise. */
function mutant(random: SeededRandom): string {
  if (random.isTrue(0.1)) {
    return String.fromCharCode(
      ...Array.from({ length: random.below(100) }, () => random.below(65_536)),
    );
  }
  const good = { ...random.pick(commands) };
  if (random.isTrue(0.7)) {
    const field = random.pick([...Object.keys(good), "__proto__", "extra"]) ?? "extra";
    good[field] = random.isTrue(0.5) ? random.pick(wrongValues) : random.pick(Object.values(good));
    if (field !== "type" || random.isTrue(0.9)) return JSON.stringify(good).slice(0, 2_000);
  }
  let text = JSON.stringify(good);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(text.length);
    text = text.slice(0, at) + (random.pick(fragments) ?? "") + text.slice(at + random.below(4));
  }
  return text;
}

/** Sends texts on new connections, and checks the number of refusals and the close codes. */
async function sendTexts(target: Target, texts: readonly string[]): Promise<void> {
  let batch: Uint8Array[] = [];
  let refusals = 0;
  const flush = async (expected: number) => {
    const exchange = expected === closeCode.left ? converse : provoke;
    // A moderator's valid commands are refused only because their targets do not exist.
    const opening = [
      hello(target.random, ["fuzz", privateRoom]),
      command({ type: "moderate", code: moderatorCode }),
    ];
    const ending = await exchange(target.port, ...opening, ...batch);
    const received = pushes(ending).filter(({ type }) => type === "error").length;
    batch = [];
    // Valid messages and renames may be refused by a rate limit.
    const isRight = ending.code === expected && received >= refusals;
    expect(isRight, `${expected} after ${refusals} refusals, got ${received}`, ending);
    refusals = 0;
  };
  for (const text of texts) {
    const bytes = frame(text);
    batch.push(bytes);
    const decoded = decodeCommand(text.toWellFormed());
    if (decoded.ok) refusals += decoded.command.type === "hello" ? 1 : 0;
    else if (decoded.push === undefined) await flush(decoded.code);
    else refusals++;
    // Any command may be refused because of earlier ones.
    if (batch.length >= maxRefusals) await flush(closeCode.left);
  }
  if (batch.length > 0) await flush(closeCode.left);
}

/** Frames that break RFC 6455. */
const brokenFrames: readonly Uint8Array[] = [
  ...[1, 2, 4, 7].map((reserved) => frame("{}", { reserved })),
  ...[3, 4, 7, 11, 15].map((code) => frame("{}", { opcode: code })),
  frame("a", { opcode: opcode.ping, fin: false }),
  frame("a".repeat(126), { opcode: opcode.ping }),
  frame("a".repeat(1_000), { opcode: opcode.close }),
  frame("{}", { opcode: opcode.continuation }),
  concat([frame("{", { fin: false }), frame("}")]),
  frame(new Uint8Array([0xc3, 0x28])),
  frame(new Uint8Array([0xed, 0xa0, 0x80])),
  frame(new Uint8Array([0xf8, 0x88, 0x80, 0x80, 0x80])),
  frame(new Uint8Array([1]), { opcode: opcode.close }),
  frame(new Uint8Array([0, 0]), { opcode: opcode.close }),
  frame(new Uint8Array([3, 237]), { opcode: opcode.close }),
  frame(new Uint8Array([255, 255]), { opcode: opcode.close }),
  frame(new Uint8Array([3, 232, 0xff]), { opcode: opcode.close }),
  frame("", { claimed: 2 ** 62 }),
  frame("", { claimed: 2 ** 53 }),
  frame("", { claimed: 65 * mebibyte }),
];

/** Texts that are difficult to display, count or compare. */
const difficultTexts: readonly string[] = [
  "\ud800",
  "\udc00\ud800",
  "a\ud83d",
  "\u202e\u2066\u2067\u2068abc",
  "e" + "\u0301".repeat(3_999),
  "\u0301".repeat(4_000),
  "\ufdfa".repeat(4_000),
  "\u200d".repeat(4_000),
  "\u{1f468}\u200d".repeat(2_000),
  "\u{10ffff}".repeat(4_000),
  "\n".repeat(3_000) + "a",
  "a\u2028b\u2029c",
  "</script><!--",
];

export const frameAttacks: readonly Attack[] = [
  {
    name: "mutated JSON",
    short: 4_000,
    long: 200_000,
    async run(target, max) {
      const each = Math.ceil(Math.min(max, 5_000) / fuzzConnections);
      await Promise.all(Array.from({ length: fuzzConnections }, () => {
        const texts = Array.from({ length: each }, () => mutant(target.random));
        return sendTexts(target, texts);
      }));
      return fuzzConnections * each;
    },
  },
  repeated("random frames", { short: 500, long: 50_000 }, async ({ port, random }) => {
    const bytes = Uint8Array.from({ length: 2 + random.below(200) }, () => random.below(256));
    using socket = await RawSocket.open(port, hello(random), bytes);
    await socket.finish();
    await socket.ended();
  }),
  {
    name: "wrong fields",
    short: wrongCommands.length,
    long: 20 * wrongCommands.length,
    async run(target) {
      await sendTexts(target, wrongCommands);
      return wrongCommands.length;
    },
  },
  repeated("broken frames", { short: brokenFrames.length, long: 5_000 }, async (target, index) => {
    const { port, random } = target;
    const broken = brokenFrames[index % brokenFrames.length]!;
    using socket = await RawSocket.open(port, hello(random), broken);
    await socket.finish();
    const ending = await socket.ended();
    expect(ending.status === 101 && ending.code !== closeCode.left, `frame ${index}`, ending);
  }),
  repeated(
    "difficult texts",
    { short: difficultTexts.length, long: 1_000 },
    async ({ port, random }, index) => {
      const text = difficultTexts[index % difficultTexts.length]!;
      const ending = await converse(
        port,
        hello(random, ["lobby"]),
        command({ type: "message", room: "lobby", text, nonce: "n1" }),
        command({ type: "edit", room: "lobby", offset: 1, text, nonce: "n2" }),
        command({ type: "title", room: "lobby", text, nonce: "n3" }),
        command({ type: "search", query: text.slice(0, 200) }),
        command({ type: "rename", username: text.slice(0, 24) }),
        // Takes effect after the reply to the edit, which may wait for edits of other sessions.
        command({ type: "leave", room: "lobby" }),
      );
      const nonces = pushes(ending).flatMap((push) => "nonce" in push ? push.nonce : []);
      const isAnswered = ["n1", "n2", "n3"].every((nonce) => nonces.includes(nonce));
      expect(isAnswered, `text ${index}`, ending);
    },
  ),
  repeated("frames of 64 KiB + 1", { short: 40, long: 2_000 }, async ({ port, random }, index) => {
    const text = index % 2 === 0
      ? "a".repeat(hubLimits.frameMaxBytes + 1)
      : "\u20ac".repeat(Math.ceil((hubLimits.frameMaxBytes + 1) / 3));
    const ending = await provoke(port, hello(random), frame(text));
    expect(ending.code === closeCode.frameTooBig, "an oversized frame", ending);
  }),
  // Parsing them would take 0.3 s if V8 kept the strings in its table.
  repeated(
    "strings whose hashes collide",
    { short: 8, long: 1_000, concurrency: 4 },
    async (target, index) => {
      const { port, random } = target;
      const frames = Array.from({ length: collidingFrames }, (_, i) => {
        const start = (index * collidingFrames + i) * collidingPerFrame % collidingStrings.length;
        return command({
          type: "no",
          strings: collidingStrings.slice(start, start + collidingPerFrame),
        });
      });
      const ending = await converse(port, hello(random), ...frames);
      const isAnswered = pushes(ending).some(({ type }) => type === "error");
      expect(isAnswered, "colliding strings", ending);
    },
  ),
  repeated("nested JSON before hello", { short: 98, long: 5_000 }, async ({ port }, index) => {
    const isTooBig = index % 2 === 0;
    const ending = await provoke(port, frame("[".repeat(isTooBig ? 32_000 : 8_000)));
    const expected = isTooBig ? closeCode.frameTooBig : closeCode.protocolError;
    expect(ending.code === expected, "nested JSON", ending);
  }),
  // The socket never completes the frame, so it cannot reply to the server's close frame.
  repeated(
    "frames of 63 MiB before hello",
    { short: 1, long: 4, concurrency: 4, maxP99Ms: 500 },
    async ({ port, isPatient }) => {
      using socket = await RawSocket.open(port, frame("", { claimed: 64 * mebibyte - 1 }));
      const piece = new Uint8Array(mebibyte).fill(97);
      const sizeMib = isPatient ? 63 : 4;
      for (let sent = 0; sent < sizeMib; sent++) if (!await socket.write(piece)) break;
      if (!isPatient) return;
      const ended = socket.ended();
      await until(() => socket.closeCode === closeCode.noHello, "a silent connection is closed");
      socket[Symbol.dispose]();
      await ended;
    },
  ),
  // Deno reads each into memory before the server can refuse it, at 10 to 20 ms per MiB
  // (SECURITY.md).
  repeated(
    "frames of 32 MiB",
    { short: 2, long: 100, concurrency: 4, maxP99Ms: 1_500 },
    async ({ port, random }) => {
      const ending = await provoke(
        port,
        hello(random),
        frame(new Uint8Array(32 * mebibyte).fill(97)),
      );
      expect(ending.code === closeCode.frameTooBig, "a huge frame", ending);
    },
  ),
  repeated("endless fragments", { short: 4, long: 60, maxP99Ms: 1_000 }, async (target, index) => {
    const { port, random, isPatient } = target;
    const first = index % 2 === 0 ? opcode.text : opcode.binary;
    using socket = await RawSocket.open(
      port,
      hello(random),
      frame("a", { opcode: first, fin: false }),
    );
    const bytes = new Uint8Array(64 * 1024).fill(97);
    const more = frame(bytes, { opcode: opcode.continuation, fin: false });
    const maxBytes = (isPatient ? 16 : 2) * mebibyte;
    for (let sent = 0; sent < maxBytes; sent += bytes.length) await socket.write(more);
    for (let i = 0; i < 1_000; i++) {
      await socket.write(frame("", { opcode: opcode.continuation, fin: false }));
    }
  }),
  repeated("binary frames", { short: 40, long: 5_000 }, async ({ port, random }) => {
    const bytes = new TextEncoder().encode('{"type":"pong"}');
    const ending = await provoke(port, hello(random), frame(bytes, { opcode: opcode.binary }));
    expect(ending.code === closeCode.protocolError, "a binary frame", ending);
  }),
  repeated("unmasked frames", { short: 40, long: 5_000 }, async ({ port, random }) => {
    const ending = await converse(port, hello(random), frame('{"type":"no"}', { masked: false }));
    // Deno accepts them, in violation of RFC 6455, so the server treats them as commands.
    const isAnswered = pushes(ending).some(({ type }) => type === "error");
    expect(isAnswered || ending.code === abnormal, "an unmasked frame", ending);
  }),
  repeated("claims of taken names", { short: 20, long: 2_000 }, async (target, index) => {
    const { port, random, honestNames } = target;
    const name = random.pick(honestNames) ?? "";
    const variants = [
      name,
      name.toUpperCase(),
      name.toLowerCase(),
      ` ${name} `,
      name.replace("H", "\uff28"),
      name.replace("s", "\u017f"),
    ];
    const username = variants[index % variants.length];
    const claim = command({ type: "hello", username, token: newToken(random), rooms: [] });
    const ending = await converse(port, claim);
    const isTaken = pushes(ending).some((push) =>
      push.type === "error" && push.code === "username_taken"
    );
    expect(isTaken, `the name ${username}`, ending);
  }),
];

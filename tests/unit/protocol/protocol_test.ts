import { assert, assertEquals } from "@std/assert";
import { decodeCommand } from "../../../app/protocol/decode.ts";
import {
  cleanText,
  codePointLength,
  isRoomName,
  parseUsername,
  usernameKey,
  utf8Length,
} from "../../../app/protocol/text.ts";
import { limits, mayReconnect, mayRetry } from "../../../app/protocol/wire.ts";

const token = "T".repeat(43);

function decoded(command: unknown): unknown {
  const result = decodeCommand(JSON.stringify(command));
  return result.ok ? result.command : result.failure;
}

function codeOf(frame: string): string | number {
  const result = decodeCommand(frame);
  if (result.ok) return "ok";
  return result.failure.kind === "close" ? result.failure.code : result.failure.push.code;
}

Deno.test("decodeCommand() takes every command [P2]", () => {
  const commands: [unknown, unknown][] = [
    [{ type: "hello", username: " Ada ", rooms: [] }, {
      type: "hello",
      username: "Ada",
      rooms: [],
    }],
    [
      {
        type: "hello",
        username: "Ada",
        token,
        tab: "t",
        access: "open",
        rooms: [{ room: "lobby" }, { room: "b", epoch: "e", offset: 0 }],
      },
      {
        type: "hello",
        username: "Ada",
        token,
        tab: "t",
        access: "open",
        rooms: [{ room: "lobby" }, { room: "b", position: { epoch: "e", offset: 0 } }],
      },
    ],
    [{ type: "join", room: "lobby" }, { type: "join", room: "lobby" }],
    [
      { type: "join", room: "lobby", epoch: "e", offset: 7 },
      { type: "join", room: "lobby", position: { epoch: "e", offset: 7 } },
    ],
    [{ type: "leave", room: "lobby" }, { type: "leave", room: "lobby" }],
    [
      { type: "message", room: "lobby", text: " hi ", nonce: "n" },
      { type: "message", room: "lobby", text: "hi", nonce: "n" },
    ],
    [
      { type: "history", room: "lobby", before: 5 },
      { type: "history", room: "lobby", before: 5, limit: 50 },
    ],
    [
      { type: "history", room: "lobby", before: 5, limit: 100 },
      { type: "history", room: "lobby", before: 5, limit: 100 },
    ],
    [{ type: "typing", room: "lobby" }, { type: "typing", room: "lobby" }],
    [{ type: "rename", username: "Ida" }, { type: "rename", username: "Ida" }],
    [{ type: "pong" }, { type: "pong" }],
  ];
  for (const [sent, expected] of commands) assertEquals(decoded(sent), expected);
});

Deno.test("decodeCommand() closes on what is no command at all [P3]", () => {
  for (const frame of ["", "{", "[]", "null", "7", '"pong"', "{}", '{"type":7}', '{"type":null}']) {
    assertEquals(codeOf(frame), 4000, frame);
  }
});

Deno.test("decodeCommand() tells of a type that it does not know [P4]", () => {
  for (const type of ["", "Hello", "toString", "__proto__", "constructor", "x".repeat(5_000)]) {
    assertEquals(codeOf(JSON.stringify({ type })), "unknown_type", type);
  }
  const result = decodeCommand(JSON.stringify({ type: "x".repeat(5_000) }));
  assert(JSON.stringify(result).length < 300);
});

Deno.test("decodeCommand() names the first field that is wrong [P5]", () => {
  const cases: [Record<string, unknown>, string, string][] = [
    [{ type: "hello", rooms: [] }, "field_invalid", "username"],
    [{ type: "hello", username: "Ada" }, "field_invalid", "rooms"],
    [{ type: "hello", username: "Ada", rooms: {} }, "field_invalid", "rooms"],
    [{ type: "hello", username: "Ada", rooms: ["lobby"] }, "field_invalid", "rooms"],
    [{ type: "hello", username: "Ada", rooms: [{ room: "A" }] }, "room_invalid", "room"],
    [
      { type: "hello", username: "Ada", rooms: [{ room: "a" }, { room: "a" }] },
      "field_invalid",
      "a",
    ],
    [{ type: "hello", username: "Ada", rooms: [], token: "short" }, "token_invalid", "token"],
    [{ type: "hello", username: "Ada", rooms: [], tab: "" }, "field_invalid", "tab"],
    [{ type: "hello", username: "Ada", rooms: [], access: 1 }, "field_invalid", "access"],
    [{ type: "hello", username: "", rooms: [] }, "username_empty", "name"],
    [{ type: "join" }, "room_invalid", "room"],
    [{ type: "join", room: "a", epoch: "e" }, "field_invalid", "offset"],
    [{ type: "join", room: "a", offset: 1 }, "field_invalid", "epoch"],
    [{ type: "join", room: "a", epoch: "e", offset: -1 }, "field_invalid", "offset"],
    [{ type: "join", room: "a", epoch: "e", offset: 1.5 }, "field_invalid", "offset"],
    [{ type: "join", room: "a", epoch: "e", offset: 2 ** 53 }, "field_invalid", "offset"],
    [{ type: "message", room: "a", text: "x" }, "nonce_invalid", "nonce"],
    [{ type: "message", room: "a", nonce: "n" }, "field_invalid", "text"],
    [{ type: "message", room: "a", text: ["x"], nonce: "n" }, "field_invalid", "text"],
    [{ type: "message", room: "a", text: "x", nonce: "n".repeat(37) }, "nonce_invalid", "nonce"],
    [{ type: "history", room: "a" }, "field_invalid", "before"],
    [{ type: "history", room: "a", before: 0 }, "field_invalid", "before"],
    [{ type: "history", room: "a", before: 1, limit: 101 }, "field_invalid", "limit"],
    [{ type: "history", room: "a", before: 1, limit: 0 }, "field_invalid", "limit"],
    [{ type: "rename" }, "field_invalid", "username"],
    [{ type: "typing", room: 7 }, "room_invalid", "room"],
  ];
  for (const [command, code, word] of cases) {
    const result = decodeCommand(JSON.stringify(command));
    const push = !result.ok && result.failure.kind === "reply" ? result.failure.push : undefined;
    assertEquals([push?.code, push?.re], [code, command.type], JSON.stringify(command));
    assert(push?.message.includes(word), push?.message);
  }
});

Deno.test("decodeCommand() answers with nonce and room where they can be said [P10]", () => {
  const result = decodeCommand('{"type":"message","room":"lobby","nonce":"n1","text":" "}');
  assertEquals(result, {
    ok: false,
    failure: {
      kind: "reply",
      push: {
        type: "error",
        re: "message",
        code: "text_empty",
        message: "Write something first",
        nonce: "n1",
        room: "lobby",
      },
    },
  });
});

Deno.test("decodeCommand() leaves fields that it does not know behind [P5]", () => {
  const frame = '{"type":"pong","x":1,"__proto__":{"y":2},"constructor":3}';
  const result = decodeCommand(frame);
  assertEquals(result, { ok: true, command: { type: "pong" } });
  assertEquals(({} as Record<string, unknown>).y, undefined);
});

Deno.test("decodeCommand() closes on a frame over 64 KiB with 1009, and not before [L1]", () => {
  const frame = (filling: string) => JSON.stringify({ type: "pong", filling });
  const empty = frame("").length;
  assertEquals(codeOf(frame("x".repeat(limits.frameMaxBytes - empty))), "ok");
  assertEquals(codeOf(frame("x".repeat(limits.frameMaxBytes - empty + 1))), 1009);
  assertEquals(codeOf(frame("é".repeat((limits.frameMaxBytes - empty) / 2 + 1))), 1009);
});

Deno.test("decodeCommand() never throws and lets through nothing but commands", () => {
  const good = [
    {
      type: "hello",
      username: "Ada",
      token,
      tab: "t",
      rooms: [{ room: "a", epoch: "e", offset: 1 }],
    },
    { type: "message", room: "a", text: "x", nonce: "n" },
    { type: "history", room: "a", before: 5, limit: 10 },
    { type: "rename", username: "Ida" },
  ];
  const odd = [null, true, -1, 1e99, "", "a", "\ud800", "x".repeat(5_000), [], [[]], {}, {
    room: "a",
  }];
  let seed = 11;
  const random = (below: number) => {
    seed = Math.imul(seed, 1103515245) + 12345 >>> 0;
    return Math.floor(seed / 2 ** 32 * below);
  };
  for (let i = 0; i < 20_000; i++) {
    const command: Record<string, unknown> = { ...good[random(good.length)] };
    const keys = Object.keys(command);
    for (let n = random(3); n >= 0; n--) {
      const key = keys[random(keys.length)] ?? "type";
      if (random(4) === 0) delete command[key];
      else command[key] = odd[random(odd.length)];
    }
    let frame = JSON.stringify(command);
    if (random(3) === 0) {
      const at = random(frame.length);
      frame = frame.slice(0, at) + String.fromCharCode(random(0x10000)) +
        frame.slice(at + random(3));
    }
    const result = decodeCommand(frame);
    if (!result.ok) continue;
    const known = {
      hello: 5,
      join: 3,
      leave: 2,
      message: 4,
      history: 4,
      typing: 2,
      rename: 2,
      pong: 1,
    };
    assert(Object.hasOwn(known, result.command.type));
    if ("text" in result.command) assert(result.command.text.isWellFormed());
  }
});

Deno.test("parseUsername() takes the names of people [N1] [N2]", () => {
  const names = [
    "A",
    "7",
    "Ada",
    "Ada L. Byron",
    "jean-luc",
    "x_y",
    "Žižek",
    "李小龍",
    "محمد",
    "नमस्ते",
    "Ωmega".slice(1),
  ];
  for (const name of names) {
    assertEquals(parseUsername(name), { ok: true, value: name.normalize("NFC") });
  }
  assertEquals(parseUsername("  Ada\t"), { ok: true, value: "Ada" });
  assertEquals(parseUsername("A\u030a"), { ok: true, value: "Å" });
  assert(parseUsername("x".repeat(24)).ok);
  assert(parseUsername("𝒳".repeat(24)).ok);
});

Deno.test("parseUsername() refuses what is no name, in a sentence [N1] [N2] [N3]", () => {
  const cases: [string, string, string][] = [
    ["", "username_empty", "Choose a name"],
    ["   ", "username_empty", "Choose a name"],
    ["x".repeat(25), "username_too_long", "24 characters"],
    ["a".repeat(100_000), "username_too_long", "24 characters"],
    ["a!", "username_characters", "Use letters"],
    ["<b>", "username_characters", "Use letters"],
    ["a\nb", "username_characters", "Use letters"],
    ["a\u200bb", "username_characters", "Use letters"],
    ["a\u202eb", "username_characters", "Use letters"],
    ["a\u3164", "username_characters", "Use letters"],
    ["\ud800a", "username_characters", "Use letters"],
    ["😀", "username_characters", "Use letters"],
    ["-a", "username_ends", "Start and end"],
    ["a.", "username_ends", "Start and end"],
    ["_", "username_ends", "Start and end"],
    ["\u0301a", "username_ends", "Start and end"],
    ["a  b", "username_spaces", "single spaces"],
    ["a" + "\u0316".repeat(4), "username_marks", "Too many accents"],
    ["pаypal", "username_mixed_scripts", "Don't mix"],
    ["ΑBC", "username_mixed_scripts", "Don't mix"],
  ];
  for (const [name, code, words] of cases) {
    const parsed = parseUsername(name);
    assert(!parsed.ok && parsed.code === code, JSON.stringify(name));
    assert(parsed.message.includes(words), `${name.slice(0, 20)}: ${parsed.message}`);
  }
});

Deno.test("usernameKey() is the same for names that are the same [N4]", () => {
  const same = [["Ada", "ADA"], ["Straße", "STRASSE"], ["ﬁ", "FI"], ["Å", "A\u030a"], [
    "Σίσυφος",
    "ΣΊΣΥΦΟΣ",
  ]];
  for (const [one = "", other = ""] of same) assertEquals(usernameKey(one), usernameKey(other));
  assert(usernameKey("Ada") !== usernameKey("Adb"));
});

Deno.test("isRoomName() knows rooms [L5]", () => {
  for (const name of ["a", "0", "lobby", "a-b", "a-", "x".repeat(32)]) {
    assert(isRoomName(name), name);
  }
  for (const name of ["", "-a", "A", "a_b", "ä", "a b", "x".repeat(33), "a\n", "../x"]) {
    assert(!isRoomName(name), name);
  }
});

Deno.test("cleanText() cleans, and counts code points [M1] [M2]", () => {
  assertEquals(cleanText("  a\r\nb\rc\t\u0000\u009f \n"), { ok: true, value: "a\nb\nc" });
  assertEquals(cleanText("a\ud800"), { ok: true, value: "a\ufffd" });
  assert(cleanText("😀".repeat(4_000)).ok);
  assert(!cleanText("😀".repeat(4_001)).ok);
  assert(!cleanText("\u0007 \n").ok);
});

Deno.test("codePointLength() and utf8Length() count", () => {
  for (const text of ["", "abc", "é", "€", "😀", "a😀b", "\ud800", "\udc00\ud800"]) {
    assertEquals(codePointLength(text), [...text].length, text);
    assertEquals(utf8Length(text), new TextEncoder().encode(text).length, text);
  }
});

Deno.test("mayReconnect() and mayRetry() say what a client does by itself [C1] [M8]", () => {
  for (const code of [1000, 4000, 4005, 4099]) assert(!mayReconnect(code));
  for (const code of [1001, 1006, 1012, 3999, 4100, 4999]) assert(mayReconnect(code));
  for (const code of ["rate_limited", "storage_unavailable", "draining"]) assert(mayRetry(code));
  for (const code of ["not_joined", "rooms_full", "anything else"]) assert(!mayRetry(code));
});

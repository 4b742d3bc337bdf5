// Decoding of commands.

import { assert, assertEquals } from "@std/assert";
import { decodeCommand } from "../../../app/protocol/decode.ts";
import { hubLimits } from "../../../app/protocol/wire.ts";
import { SeededRandom } from "../../support/seeded_random.ts";

const token = "T".repeat(43);
const tooManyRooms = Array.from({ length: 21 }, (_, i) => ({ room: `r${i}` }));

function decoded(command: unknown): unknown {
  const result = decodeCommand(JSON.stringify(command));
  return result.ok ? result.command : result.push ?? result;
}

function codeOf(frame: string): string | number {
  const result = decodeCommand(frame);
  if (result.ok) return "ok";
  return result.push === undefined ? result.code : result.push.code;
}

Deno.test("decodeCommand() decodes every command [P2]", () => {
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
      { type: "message", room: "lobby", text: "hi ", nonce: "n" },
      { type: "message", room: "lobby", text: "hi", nonce: "n" },
    ],
    [
      { type: "message", room: "lobby", text: "hi", nonce: "n", reply: 3 },
      { type: "message", room: "lobby", text: "hi", nonce: "n", reply: 3 },
    ],
    [
      { type: "edit", room: "lobby", offset: 3, text: "hi ", nonce: "n" },
      { type: "edit", room: "lobby", offset: 3, text: "hi", nonce: "n" },
    ],
    [
      { type: "delete", room: "lobby", offset: 3, nonce: "n", text: "ignored" },
      { type: "delete", room: "lobby", offset: 3, nonce: "n" },
    ],
    [
      { type: "title", room: "lobby", text: " The lobby ", nonce: "n" },
      { type: "title", room: "lobby", text: "The lobby", nonce: "n" },
    ],
    [
      { type: "title", room: "lobby", text: "", locked: true, nonce: "n" },
      { type: "title", room: "lobby", text: "", nonce: "n", locked: true },
    ],
    [
      { type: "title", room: "lobby", text: "x", locked: false, nonce: "n" },
      { type: "title", room: "lobby", text: "x", nonce: "n" },
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
    [{ type: "ping" }, { type: "ping" }],
    [{ type: "pong" }, { type: "pong" }],
  ];
  for (const [sent, expected] of commands) assertEquals(decoded(sent), expected);
});

Deno.test("decodeCommand() closes the connection on anything but an object with a type [P3]", () => {
  for (const frame of ["", "{", "[]", "null", "7", '"pong"', "{}", '{"type":7}', '{"type":null}']) {
    assertEquals(codeOf(frame), 4000, frame);
  }
});

Deno.test("decodeCommand() replies to an unknown type without echoing all of it [P4]", () => {
  for (const type of ["", "Hello", "toString", "__proto__", "constructor", "x".repeat(5_000)]) {
    assertEquals(codeOf(JSON.stringify({ type })), "unknown_type", type);
  }
  const result = decodeCommand(JSON.stringify({ type: "x".repeat(5_000) }));
  assert(JSON.stringify(result).length < 300);
});

Deno.test("decodeCommand() names the first invalid field [P5]", () => {
  const cases: [Record<string, unknown>, string, string][] = [
    [{ type: "hello", username: 1, rooms: [] }, "field_invalid", "username"],
    [{ type: "hello", username: "Ada" }, "field_invalid", "rooms"],
    [{ type: "hello", username: "Ada", rooms: {} }, "field_invalid", "rooms"],
    [{ type: "hello", rooms: tooManyRooms }, "field_invalid", "rooms"],
    [{ type: "hello", access: "x".repeat(257), rooms: [] }, "field_invalid", "access"],
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
    [{ type: "message", room: "a", text: "x", nonce: "n", reply: 0 }, "field_invalid", "reply"],
    [{ type: "edit", room: "a", offset: 0, text: "x", nonce: "n" }, "field_invalid", "offset"],
    [{ type: "edit", room: "a", offset: 1, text: " ", nonce: "n" }, "text_empty", "something"],
    [{ type: "edit", room: "a", offset: 1, text: "x" }, "nonce_invalid", "nonce"],
    [{ type: "delete", room: "a", nonce: "n" }, "field_invalid", "offset"],
    [{ type: "delete", room: "A", offset: 1, nonce: "n" }, "room_invalid", "room"],
    [{ type: "title", room: "a", text: " ", nonce: "n" }, "title_invalid", "60"],
    [{ type: "title", room: "a", text: "x", nonce: "n", locked: 1 }, "field_invalid", "locked"],
    [{ type: "ban", member: "m", seconds: 1, network: null }, "field_invalid", "network"],
    [{ type: "ban", member: "m", seconds: 1, deleteMessages: "true" }, "field_invalid", "delete"],
    [{ type: "history", room: "a" }, "field_invalid", "before"],
    [{ type: "history", room: "a", before: 0 }, "field_invalid", "before"],
    [{ type: "history", room: "a", before: 1, limit: 101 }, "field_invalid", "limit"],
    [{ type: "history", room: "a", before: 1, limit: 0 }, "field_invalid", "limit"],
    [{ type: "rename" }, "field_invalid", "username"],
    [{ type: "typing", room: 7 }, "room_invalid", "room"],
  ];
  for (const [command, code, word] of cases) {
    const result = decodeCommand(JSON.stringify(command));
    const push = result.ok ? undefined : result.push;
    assertEquals([push?.code, push?.re], [code, command.type], JSON.stringify(command));
    assert(push?.message.includes(word), push?.message);
  }
});

Deno.test("decodeCommand() accepts only sealed texts in a private room, and no title [S1]", () => {
  const codeOfText = (text: string, type: string, room = "p-family") =>
    codeOf(JSON.stringify({ type, room, text, offset: 1, nonce: "n" }));
  for (const type of ["message", "edit"]) {
    for (const length of [168, 296, 552, 1_064, 2_088, 4_000]) {
      const sealed = `AQ${"_".repeat(length - 2)}`;
      assertEquals(codeOfText(sealed, type), "ok");
      assertEquals(codeOfText(sealed.replace("_", "="), type), "not_sealed");
      assertEquals(codeOfText(sealed.replace("AQ", "Ag"), type), "not_sealed");
      assertEquals(codeOfText(sealed.slice(1), type), "not_sealed");
    }
    for (const text of ["Good morning", "x".repeat(168)]) {
      assertEquals(codeOfText(text, type), "not_sealed");
      assertEquals(codeOfText(text, type, "pa-family"), "ok");
    }
  }
  assertEquals(codeOfText("The family", "title"), "title_invalid");
});

Deno.test("decodeCommand() includes nonce and room in an error if they are valid [P10]", () => {
  const result = decodeCommand('{"type":"message","room":"lobby","nonce":"n1","text":" "}');
  assertEquals(result, {
    ok: false,
    push: {
      type: "error",
      re: "message",
      code: "text_empty",
      message: "Write something first",
      nonce: "n1",
      room: "lobby",
    },
  });
});

Deno.test("decodeCommand() ignores unknown fields [P5]", () => {
  const frame = '{"type":"pong","x":1,"__proto__":{"y":2},"constructor":3}';
  const result = decodeCommand(frame);
  assertEquals(result, { ok: true, command: { type: "pong" } });
  assertEquals(({} as Record<string, unknown>).y, undefined);
});

Deno.test("decodeCommand() closes with 1009 on a frame over 64 KiB [L1]", () => {
  const frame = (padding: string) => JSON.stringify({ type: "pong", padding });
  const empty = frame("").length;
  assertEquals(codeOf(frame("x".repeat(hubLimits.frameMaxBytes - empty))), "ok");
  assertEquals(codeOf(frame("x".repeat(hubLimits.frameMaxBytes - empty + 1))), 1009);
  assertEquals(codeOf(frame("é".repeat((hubLimits.frameMaxBytes - empty) / 2 + 1))), 1009);
});

Deno.test("decodeCommand() closes with 4000 on long JSON with more than 1,000 values [L1]", () => {
  const pong = (values: number, length: number) => {
    const json = JSON.stringify({ type: "pong", values: Array(values - 2).fill(0) });
    return json.padEnd(length);
  };
  assertEquals(codeOf(pong(1_000, 8_193)), "ok");
  assertEquals(codeOf(pong(1_001, 8_193)), 4000);
  assertEquals(codeOf(pong(1_001, 8_192)), "ok");
  const text = ",".repeat(4_000) + "é".repeat(5_000);
  assertEquals(codeOf(JSON.stringify({ type: "pong", text })), "ok");
});

Deno.test("decodeCommand() closes with 4000 on JSON nested deeper than 8 [L1]", () => {
  const nested = (depth: number) =>
    `{"type":"pong","x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assertEquals(codeOf(nested(8)), "ok");
  assertEquals(codeOf(nested(9)), 4000);
  assertEquals(codeOf(`{"type":"pong","x":${'{"y":'.repeat(8)}1${"}".repeat(9)}`), 4000);
  assertEquals(codeOf("[".repeat(32_000)), 4000);
  // Siblings and text add no depth.
  assertEquals(codeOf(`{"type":"pong","x":[${"[],".repeat(99)}{}]}`), "ok");
  assertEquals(codeOf(JSON.stringify({ type: "pong", x: '\\"[{'.repeat(99) })), "ok");
});

Deno.test("decodeCommand() never throws and returns only valid commands for damaged frames", () => {
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
  const badValues = [null, true, -1, 1e99, "", "a", "\ud800", "x".repeat(5_000), [], [[]], {}, {
    room: "a",
  }];
  const types = new Set<string>([
    "hello",
    "join",
    "leave",
    "message",
    "history",
    "typing",
    "rename",
    "ping",
    "pong",
  ]);
  const random = new SeededRandom(11);
  for (let i = 0; i < 20_000; i++) {
    const command: Record<string, unknown> = { ...random.pick(good) };
    const keys = Object.keys(command);
    for (let n = random.below(3); n >= 0; n--) {
      const key = random.pick(keys) ?? "type";
      if (random.isTrue(1 / 4)) delete command[key];
      else command[key] = random.pick(badValues);
    }
    let frame = JSON.stringify(command);
    if (random.isTrue(1 / 3)) {
      const at = random.below(frame.length);
      frame = frame.slice(0, at) + String.fromCharCode(random.below(0x10000)) +
        frame.slice(at + random.below(3));
    }
    const result = decodeCommand(frame);
    if (!result.ok) continue;
    assert(types.has(result.command.type));
    if ("text" in result.command) assert(result.command.text.isWellFormed());
  }
});

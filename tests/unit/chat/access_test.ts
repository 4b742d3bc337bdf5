// The access code of a chat that is not open to everybody.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { ErrorPush } from "../../../app/protocol/wire.ts";
import { codesOf, only, TestChat } from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

const code = "open-sesame";

function closedChat(): TestChat {
  return new TestChat({}, new MemoryBroker(), { access: (given) => given === code });
}

Deno.test("ChatHub.hello() requires the access code, and accepts it later on the same connection [N13]", () => {
  const chat = closedChat();
  const client = chat.connect();
  const missing = only(client.hello("Ada"), "error");
  assertEquals([missing.re, missing.code], ["hello", "access_required"]);
  const wrong = only(client.hello("Ada", ["lobby"], { access: "open-sesam" }), "error");
  assertEquals(wrong.code, "access_denied");
  assertNotEquals(wrong.message, missing.message);
  assertEquals(chat.hub.size.members, 0);
  const [welcome] = client.hello("Ada", ["lobby"], { access: code });
  assertEquals(welcome?.type, "welcome");
});

Deno.test("ChatHub.hello() requires the access code of members too [N13]", () => {
  const chat = closedChat();
  chat.enter("Ada", ["lobby"], { access: code }).drop();
  assertEquals(codesOf(chat.connect().hello("Ada")), ["access_required"]);
});

Deno.test("ChatHub.hello() ignores a code if none is required [N13]", () => {
  const chat = new TestChat();
  assertEquals(chat.connect().hello("Ada", [], { access: "anything" }).at(0)?.type, "welcome");
});

Deno.test("ChatHub.hello() allows a network ten wrong codes, then one a minute [N13]", () => {
  const chat = closedChat();
  const tryFrom = (address: string, access?: string): ErrorPush | undefined => {
    const client = chat.connect(address);
    const [push] = client.hello("Ada", [], access === undefined ? {} : { access });
    client.drop();
    return push?.type === "error" ? push : undefined;
  };
  for (let i = 0; i < 10; i++) {
    assertEquals(tryFrom("192.0.2.1", `wrong-${i}`)?.code, "access_denied");
  }
  for (const access of ["wrong", code]) {
    const refused = tryFrom("192.0.2.1", access);
    assertEquals([refused?.code, refused?.retryAfter], ["access_locked", 60_000]);
  }
  // The page connects without a code to find out whether it needs one.
  assertEquals(tryFrom("192.0.2.1")?.code, "access_required");
  assertEquals(tryFrom("192.0.2.2", code), undefined);
  chat.time.pass(60_000);
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_denied");
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_locked");
  chat.time.pass(60_000);
  assertEquals(tryFrom("192.0.2.1", code), undefined);
});

Deno.test("ChatHub.hello() counts wrong codes by network, loopback included [N13]", () => {
  for (const [address, network] of [["2001:db8::", "2001:db8::/64"], ["127.0.0.1", "127.0.0.1"]]) {
    const chat = closedChat();
    for (let i = 0; i < 20; i++) {
      chat.connect(address, network).hello("Ada", [], { access: "wrong" });
    }
    const denied = chat.lines.filter(({ event }) => event === "access_denied");
    assertEquals(denied.length, 10, network);
  }
});

Deno.test("ChatHub.hello() logs no code [N13]", () => {
  const chat = closedChat();
  chat.connect().hello("Ada", [], { access: "a-wrong-guess" });
  chat.enter("Ben", [], { access: code });
  const log = JSON.stringify(chat.lines);
  assert(log.includes("access_denied"));
  assert(!log.includes("a-wrong-guess") && !log.includes(code), log);
});

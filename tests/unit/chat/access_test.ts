// The access code of a chat that is not open to everyone.

import { assert, assertEquals, assertLess, assertNotEquals } from "@std/assert";
import type { ErrorPush } from "../../../app/protocol/wire.ts";
import { codesOf, helloOf, only, range, TestChat } from "../../support/hub_harness.ts";
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
  chat.time.advance(60_000);
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_denied");
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_locked");
  chat.time.advance(60_000);
  assertEquals(tryFrom("192.0.2.1", code), undefined);
});

/** Sends a wrong code from each address. Returns the number of codes that were checked. */
function guess(chat: TestChat, addresses: readonly (readonly [string, string?])[]): number {
  for (const [address, network] of addresses) {
    chat.connect(address, network).hello("Eve", [], { access: "wrong" });
  }
  return chat.lines.filter(({ event }) => event === "access_denied").length;
}

Deno.test("ChatHub.hello() allows more wrong codes from shared addresses [N13]", () => {
  const from = (address: string, network?: string) =>
    guess(closedChat(), Array(200).fill([address, network]));
  assertEquals(from("2001:db8::", "2001:db8:0:1::/64"), 10);
  assertEquals(from("10.0.0.1"), 91);
  assertEquals(from("127.0.0.1"), 91);
});

Deno.test("ChatHub.hello() limits wrong codes of a /48, and of all addresses [N13]", () => {
  const chat = closedChat();
  const inPrefix = range(1, 200).map((i) => ["2001:db8::", `2001:db8:0:${i}::/64`] as const);
  assertEquals(guess(chat, inPrefix), 40);
  assertEquals(guess(chat, [["2001:db8::", "2001:db8:1:1::/64"]]), 41);
  const everywhere = range(1, 300).map((i) => Array(10).fill([`192.0.${i}.1`]));
  // 60 addresses use up the 600 tries that all share. Each of the other 240 has one.
  assertEquals(guess(closedChat(), everywhere.flat()), 600 + 240);
});

Deno.test("ChatHub.hello() accepts the code from an address that sent no wrong one, while guessers use up all tries [N13]", () => {
  const chat = closedChat();
  guess(chat, range(1, 60).flatMap((i) => Array(10).fill([`192.0.${i}.1`])));
  const enter = (name: string, access: string) => {
    const [push] = chat.connect("198.51.100.1").hello(name, [], { access });
    return push?.type === "error" ? push.code : push?.type;
  };
  assertEquals(enter("Ada", code), "welcome");
  assertEquals(enter("Ben", "wrong"), "access_denied");
  assertEquals(enter("Ben", code), "access_locked");
  chat.time.advance(60_000);
  assertEquals(enter("Ben", code), "welcome");
});

Deno.test("ChatHub.hello() locks nobody out for longer because guessers go on [N13]", () => {
  const chat = closedChat();
  guess(chat, [["198.51.100.1"]]);
  guess(chat, range(1, 60).flatMap((i) => Array(10).fill([`192.0.${i}.1`])));
  guess(chat, range(61, 200).map((i) => [`192.0.${i}.1`]));
  const locked = only(chat.connect("198.51.100.1").hello("Ada", [], { access: code }), "error");
  assertEquals([locked.code, locked.retryAfter], ["access_locked", 1_000]);
});

Deno.test("ChatHub forgets wrong codes that no longer count [N13]", () => {
  const chat = closedChat();
  guess(chat, [["192.0.2.1"], ["2001:db8::", "2001:db8:0:1::/64"]]);
  assertLess(0, chat.hub.size.rates);
  chat.time.advance(120_000);
  assertEquals(chat.hub.size.rates, 0);
});

Deno.test("ChatHub.hello() lets known members in while their address is locked out [N13]", () => {
  const chat = closedChat();
  const ada = chat.enter("Ada", ["lobby"], { access: code });
  chat.enter("Ben", ["lobby"], { access: code }).drop();
  chat.time.advance(20_000);
  assertEquals(chat.broker.released, ["id-Ben"]);
  // Its name is still held, which this broker doesn't do by itself.
  chat.broker.claim("id-Ben", "Ben");
  assertEquals(guess(chat, Array(20).fill(["192.0.2.1"])), 10);
  const enter = (name: string, access: string) => chat.connect().hello(name, [], { access })[0];
  assertEquals(enter("Ada", code)?.type, "welcome");
  assertEquals(enter("Ben", code)?.type, "welcome");
  const stranger = enter("Cleo", code);
  assertEquals(stranger?.type === "error" && stranger.code, "access_locked");
  // A member gets no more guesses than others.
  const codes = range(1, 12).map(() => enter("Ada", "wrong")).flatMap((push) =>
    push === undefined ? [] : codesOf([push])
  );
  assertEquals(codes, [...Array(10).fill("access_denied"), ...Array(2).fill("access_locked")]);
  assertEquals(enter("Ben", code)?.type, "welcome");
  assertEquals(ada.socket.closed, undefined);
});

for (const isAsync of [false, true]) {
  const kind = isAsync ? "a remote" : "a local";
  Deno.test(`ChatHub.hello() lets in members whose names ${kind} broker holds [N13]`, async () => {
    const broker = new MemoryBroker();
    broker.claim("id-Ada", "Ada");
    broker.claim("id-Cleo", "Cleo");
    const chat = new TestChat({}, broker, { access: (given) => given === code });
    broker.isAsync = isAsync;
    assertEquals(guess(chat, Array(20).fill(["192.0.2.1"])), 10);
    const enter = async (name: string) => {
      const client = chat.connect();
      client.put(helloOf(name, [], { access: code }));
      await chat.settle();
      return codesOf(client.pushes());
    };
    assertEquals(await enter("Ada"), []);
    assertEquals(await enter("Ben"), ["access_locked"]);
    broker.isFailing = true;
    assertEquals(await enter("Cleo"), ["access_locked"]);
  });
}

Deno.test("ChatHub.hello() logs no code [N13]", () => {
  const chat = closedChat();
  chat.connect().hello("Ada", [], { access: "a-wrong-guess" });
  chat.enter("Ben", [], { access: code });
  const log = JSON.stringify(chat.lines);
  assert(log.includes("access_denied"));
  assert(!log.includes("a-wrong-guess") && !log.includes(code), log);
});

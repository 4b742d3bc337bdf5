import { assert, assertEquals } from "@std/assert";
import { Bench, FakeSocket, MemoryBroker, only, peerAddress } from "../../support/hub_harness.ts";

const code = "open-sesame";

function bench(): Bench {
  return new Bench({}, new MemoryBroker(), { access: (given) => given === code });
}

Deno.test("ChatHub lets nobody in without the access code, and who then has it on the same connection [N13]", () => {
  const hall = bench();
  const peer = hall.connect();
  const missing = only(peer.hello("Ada"), "error");
  assertEquals([missing.re, missing.code], ["hello", "access_required"]);
  const wrong = only(peer.hello("Ada", ["lobby"], { access: "open-sesam" }), "error");
  assertEquals(wrong.code, "access_denied");
  assert(wrong.message !== missing.message);
  assertEquals(hall.hub.size.members, 0);
  const [welcome] = peer.hello("Ada", ["lobby"], { access: code });
  assertEquals(welcome?.type, "welcome");
});

Deno.test("ChatHub asks for the access code at each hello, of members too [N13]", () => {
  const hall = bench();
  const ada = hall.enter("Ada", ["lobby"], { access: code });
  ada.drop();
  assertEquals(only(hall.connect().hello("Ada"), "error").code, "access_required");
});

Deno.test("ChatHub needs no code where there is none, and minds none [N13]", () => {
  const hall = new Bench();
  assertEquals(hall.connect().hello("Ada", [], { access: "anything" }).at(0)?.type, "welcome");
});

Deno.test("ChatHub lets an address try ten wrong codes, then one a minute, the right one neither [N13]", () => {
  const hall = bench();
  const tryFrom = (address: string, access: string | undefined) => {
    const peer = hall.connect(address);
    const [answer] = peer.hello("Ada", [], access === undefined ? {} : { access });
    peer.drop();
    return answer?.type === "error" ? answer : undefined;
  };
  for (let i = 0; i < 10; i++) {
    assertEquals(tryFrom("192.0.2.1", `wrong-${i}`)?.code, "access_denied");
  }
  for (const access of ["wrong", code]) {
    const refused = tryFrom("192.0.2.1", access);
    assertEquals([refused?.code, refused?.retryAfter], ["access_locked", 60_000]);
  }
  // To ask without a code is how a page finds out that it needs one.
  assertEquals(tryFrom("192.0.2.1", undefined)?.code, "access_required");
  assertEquals(tryFrom("192.0.2.2", code), undefined);
  hall.time.pass(60_000);
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_denied");
  assertEquals(tryFrom("192.0.2.1", "wrong")?.code, "access_locked");
  hall.time.pass(60_000);
  assertEquals(tryFrom("192.0.2.1", code), undefined);
});

Deno.test("ChatHub counts wrong codes by network, and those from the machine itself too [N13]", () => {
  const hello = { type: "hello", username: "Ada", rooms: [], access: "wrong" };
  for (const network of ["2001:db8:0:0::/64", "127.0.0.1"]) {
    const hall = bench();
    for (let i = 0; i < 20; i++) {
      const session = hall.hub.connect(new FakeSocket(), peerAddress(`2001:db8::${i}`, network));
      hall.hub.receive(session, JSON.stringify(hello));
    }
    const denied = hall.lines.filter(({ event }) => event === "access_denied");
    assertEquals(denied.length, 10, network);
  }
});

Deno.test("ChatHub writes no code into the log [N13]", () => {
  const hall = bench();
  hall.connect().hello("Ada", [], { access: "a-wrong-guess" });
  hall.enter("Ben", [], { access: code });
  const log = JSON.stringify(hall.lines);
  assert(log.includes("access_denied"));
  assert(!log.includes("a-wrong-guess") && !log.includes(code), log);
});

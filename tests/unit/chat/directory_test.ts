// The room directory.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { TestChat } from "../../support/hub_harness.ts";

const peer = { address: "192.0.2.1", network: "192.0.2.1", scope: "public" } as const;

Deno.test("ChatHub.directory() lists rooms with members or messages [D1]", async () => {
  const chat = new TestChat();
  chat.broker.fill("attic", 3);
  chat.enter("Ada", ["lobby", "cellar"]);
  chat.enter("Ben");
  chat.time.advance(0);
  const expected = [
    { room: "lobby", members: 2 },
    { room: "cellar", members: 1 },
    { room: "attic", members: 0, at: 1_000 },
  ];
  assertEquals(await chat.hub.visitors.directory(peer, undefined), expected);
  chat.enter("Cleo");
  assertEquals(await chat.hub.visitors.directory(peer, undefined), expected, "cached");
  chat.time.advance(5_000);
  const [lobby] = await chat.hub.visitors.directory(peer, undefined) as typeof expected;
  assertEquals(lobby?.members, 3);
});

Deno.test("ChatHub.directory() lists no private room [S2]", async () => {
  const chat = new TestChat();
  chat.broker.fill("p-attic", 3);
  chat.enter("Ada", ["lobby", "p-cellar"]);
  assertEquals(await chat.hub.visitors.directory(peer, undefined), [{ room: "lobby", members: 1 }]);
});

Deno.test("ChatHub.directory() reads again after storage failed [D1]", async () => {
  const chat = new TestChat();
  chat.broker.isFailing = true;
  await assertRejects(() => chat.hub.visitors.directory(peer, undefined));
  chat.broker.isFailing = false;
  chat.time.advance(5_000);
  assertEquals(await chat.hub.visitors.directory(peer, undefined), []);
});

Deno.test("ChatHub.directory() counts wrong access codes as hello does [D1] [N13]", async () => {
  const chat = new TestChat({}, undefined, { access: (code) => code === "open-sesame" });
  const codeOf = async (code?: string) => {
    const result = await chat.hub.visitors.directory(peer, code);
    return "code" in result ? result.code : "listed";
  };
  assertEquals(await codeOf(), "access_required");
  assertEquals(await codeOf("open-sesame"), "listed");
  for (let i = 0; i < 10; i++) assertEquals(await codeOf("guess"), "access_denied");
  assertEquals(await codeOf("open-sesame"), "access_locked");
  const refusal = await chat.hub.visitors.directory(peer, "open-sesame");
  assert("code" in refusal && (refusal.retryAfter ?? 0) > 0);
});

Deno.test("ChatHub.directory() charges the list to the address [D1] [L3]", async () => {
  const chat = new TestChat();
  for (let i = 0; i < 500; i++) chat.broker.fill(`room-${i}`, 1);
  const isListed = async (network: string) =>
    !("code" in await chat.hub.visitors.directory({ ...peer, network }, undefined));
  let lists = 0;
  while (await isListed(peer.network)) assert(++lists < 400);
  assert(lists > 100);
  assert(await isListed("192.0.2.2"));
});

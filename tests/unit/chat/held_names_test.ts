// How many names an address holds for members that left.

import { assertEquals } from "@std/assert";
import { HeldNames } from "../../../app/chat/held_names.ts";
import type { Payer } from "../../../app/chat/session.ts";
import { range, TestChat } from "../../support/hub_harness.ts";

const dayMs = 86_400_000;

function payer(member: string, network = "192.0.2.1", scope: Payer["scope"] = "public"): Payer {
  return { member, network, scope };
}

/** Adds many members and returns how many were accepted. */
function addMany(names: HeldNames, count: number, template: Payer, now: number): number {
  const added = range(1, count).map((i) =>
    names.add({ ...template, member: `${template.member}${i}` }, true, now)
  );
  return added.filter(Boolean).length;
}

Deno.test("HeldNames.add() counts members by address and scope [N8]", () => {
  const names = new HeldNames(dayMs);
  assertEquals(addMany(names, 60, payer("a"), 0), 50);
  assertEquals(addMany(names, 60, payer("b", "192.0.2.2"), 0), 50);
  assertEquals(addMany(names, 600, payer("c", "10.0.0.1", "private"), 0), 500);
  assertEquals(addMany(names, 6_000, payer("d", "127.0.0.1", "loopback"), 0), 5_000);
  assertEquals(names.add(payer("a1"), false, 0), true);
});

Deno.test("HeldNames.add() counts a member until its hold is over [N8]", () => {
  const names = new HeldNames(dayMs);
  for (let i = 0; i < 49; i++) names.add(payer(`reader${i}`), false, 0);
  names.add(payer("writer"), true, 0);
  // Coming back to read does not shorten the hold of a member that has written.
  names.add(payer("writer"), false, 1);
  assertEquals(names.add(payer("new"), false, 599_999), false);
  assertEquals(addMany(names, 60, payer("new"), 600_000), 49);
  assertEquals(names.add(payer("newest"), true, dayMs - 1), false);
  assertEquals(names.add(payer("newest"), true, dayMs), true);
});

Deno.test("HeldNames.add() counts the networks of an IPv6 /48 together [N8]", () => {
  const names = new HeldNames(dayMs);
  const add = (subnet: string, now: number) =>
    addMany(names, 60, payer(subnet, `2001:db8:${subnet}::/64`), now);
  const subnets = range(1, 40).map((i) => `1:${i}`);
  assertEquals(subnets.map((subnet) => add(subnet, 0)), [
    ...Array(32).fill(50),
    ...Array(8).fill(0),
  ]);
  assertEquals(add("2:1", 0), 50);
  assertEquals(add("1:40", dayMs), 50);
});

Deno.test("HeldNames.add() accepts 100,000 members in all, each counted once [N8]", () => {
  const names = new HeldNames(dayMs);
  const add = (i: number, now: number) => names.add(payer(`${i}`, `network${i}`), false, now);
  assertEquals(add(1, 0), true);
  assertEquals(range(1, 100_001).map((i) => add(i, 0)).indexOf(false), 100_000);
  assertEquals(range(1, 100_001).map((i) => add(i, 600_000)).indexOf(false), 100_000);
});

Deno.test("ChatHub counts a member that has only set a title as one that wrote [N8]", () => {
  const chat = new TestChat();
  chat.broker.fill("lobby", 1);
  for (let i = 1; i <= 51; i++) {
    const client = chat.connect("192.0.2.1");
    client.hello(`M${i}`);
    client.send({ type: "title", room: "lobby", text: `Title ${i}`, nonce: "t" });
    client.drop(1000);
    // The hold of a member that wrote nothing is over.
    if (i === 50) chat.time.advance(1_200_000);
  }
  chat.time.advance(20_000);
  assertEquals(chat.broker.freed, ["id-M51"]);
});

Deno.test("ChatHub frees the names of an address that holds too many [N8]", () => {
  const chat = new TestChat();
  for (let i = 1; i <= 60; i++) {
    const client = chat.connect("192.0.2.1");
    client.hello(`M${i}`);
    client.drop();
  }
  chat.time.advance(20_000);
  assertEquals(chat.broker.released.length, 60);
  assertEquals(chat.broker.freed, range(51, 60).map((i) => `id-M${i}`));
});

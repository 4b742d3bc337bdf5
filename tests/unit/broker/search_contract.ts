// The promises of `Broker.search`. `index` makes all messages searchable.

import { assert, assertEquals } from "@std/assert";
import type { Broker } from "../../../app/chat/broker.ts";
import { parseQuery } from "../../../app/protocol/search.ts";
import { draft, testerOf } from "./broker_contract.ts";
import type { Open } from "./broker_contract.ts";
import { deletion, edit } from "./entries_contract.ts";

/** Defines the tests of the brokers that `open` returns. */
export function testSearch(name: string, open: Open, index: (broker: Broker) => void): void {
  const test = testerOf(name, open);
  const find = async (broker: Broker, text: string): Promise<readonly string[]> => {
    index(broker);
    const query = parseQuery(text);
    assert(query !== undefined && broker.search !== undefined);
    const page = await broker.search({ query, limit: 20 });
    return (page?.messages ?? []).map(({ room, offset, text }) => `${room} ${offset} ${text}`);
  };

  test(
    "search() finds words, prefixes, phrases, authors and rooms [F1] [F2]",
    async (broker, wall) => {
      for (
        const [room, from, text] of [
          ["lobby", "Ada", "The quick brown fox"],
          ["lobby", "Ben", "A brown dog, quickly"],
          ["other", "Ada L", "Brown QUICK"],
          ["p-secret", "Ada", "quick"],
        ] as const
      ) {
        wall.ms += 10;
        await broker.append([draft(text, { room, from, nonce: `n${wall.ms}` })]);
      }
      const [fox, dog, other] = [
        "lobby 1 The quick brown fox",
        "lobby 2 A brown dog, quickly",
        "other 1 Brown QUICK",
      ];
      for (
        const [query, ...expected] of [
          ["quick", other, fox],
          ["quick*", other, dog, fox],
          ['"quick brown"', fox],
          ["brown from:ben", dog],
          ["from:ada", other, fox],
          ["quick in:lobby", fox],
          ["in:nowhere quick"],
          ["in:p-secret quick"],
          ["cat"],
        ] as const
      ) {
        assertEquals(await find(broker, query), expected, query);
      }
    },
  );

  test("search() finds parts of Chinese and Japanese words [F3]", async (broker) => {
    await broker.append([draft("東京都の人", { nonce: "n1" })]);
    for (const query of ["東京", "京都", "都の人", "人", "東"]) {
      assertEquals(await find(broker, query), ["lobby 1 東京都の人"], query);
    }
    assertEquals(await find(broker, "東都"), []);
  });

  test("search() finds messages by their current text [F5]", async (broker) => {
    await broker.append([draft("first words"), draft("second words")]);
    assertEquals((await find(broker, "words")).length, 2);
    await broker.append([edit(1, "edited text"), deletion([2])]);
    assertEquals(await find(broker, "words"), []);
    assertEquals(await find(broker, "edited"), ["lobby 1 edited text"]);
  });

  test("search() continues before the last message found [F4]", async (broker, wall) => {
    for (let i = 0; i < 7; i++) {
      wall.ms += 10;
      await broker.append([draft(`word ${i}`)]);
    }
    index(broker);
    const query = parseQuery("word");
    assert(query !== undefined);
    const first = await broker.search?.({ query, limit: 4 });
    const second = await broker.search?.({ query, before: first?.next, limit: 4 });
    assertEquals(second?.next, undefined);
    const found = [...first?.messages ?? [], ...second?.messages ?? []];
    assertEquals(found.map(({ offset }) => offset), [7, 6, 5, 4, 3, 2, 1]);
  });
}

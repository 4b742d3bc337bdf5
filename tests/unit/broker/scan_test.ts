// Search without an index.

import { assert, assertEquals } from "@std/assert";
import { scan } from "../../../app/broker/scan.ts";
import { parseQuery } from "../../../app/protocol/search.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";
import { draft } from "./broker_contract.ts";

/** Returns the texts that a query finds, and where the search continues. */
async function find(broker: MemoryBroker, text: string, before?: string, limit = 20) {
  const query = parseQuery(text);
  assert(query !== undefined);
  const page = await scan(broker, { query, before, limit });
  assert(page !== undefined);
  const { messages, ...rest } = page;
  return { texts: messages.map(({ text }) => text), ...rest };
}

Deno.test("scan() finds messages in all rooms except private ones, in pages [F1] [F4]", async () => {
  const broker = new MemoryBroker();
  broker.append([
    draft("word one"),
    draft("first", { room: "other" }),
    draft("word two", { room: "other" }),
    draft("word three"),
    draft("word four", { room: "p-secret" }),
  ]);
  const first = await find(broker, "word", undefined, 2);
  const second = await find(broker, "word", first.next, 2);
  assertEquals([...first.texts, ...second.texts].length, 3);
  assertEquals([first.since, second.since, second.next], [undefined, undefined, undefined]);
  assertEquals((await find(broker, "word in:other")).texts, ["word two"]);
  assertEquals((await find(broker, "word in:p-secret")).texts, []);
});

Deno.test("scan() reads a bounded number of messages, and returns how far back it got [F7]", async () => {
  const broker = new MemoryBroker();
  broker.append([draft("word")]);
  broker.fill("lobby", 2_500);
  broker.append([draft("word again")]);
  const { texts, since } = await find(broker, "word in:lobby");
  assertEquals(texts, ["word again"]);
  assert(since !== undefined);
});

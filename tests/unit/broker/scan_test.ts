// Search without an index.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { scan } from "../../../app/broker/scan.ts";
import { SearchQueue } from "../../../app/broker/search_queue.ts";
import type { MessageEntry } from "../../../app/chat/broker.ts";
import { parseQuery } from "../../../app/protocol/search.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";
import { draft } from "./broker_contract.ts";

type Source = Parameters<typeof scan>[0];

interface Page {
  readonly texts: readonly (string | undefined)[];
  readonly next?: string;
  readonly since?: number;
}

/** Returns the texts that a query finds, and where the search continues. */
async function find(
  source: Source,
  text: string,
  before?: string,
  limit = 20,
  pause = () => Promise.resolve(),
  now?: () => number,
): Promise<Page> {
  const query = parseQuery(text);
  assert(query !== undefined);
  const page = await scan(source, { query, before, limit }, pause, now);
  assert(page !== undefined);
  const { messages, busyMs: _, ...rest } = page;
  return { texts: messages.map(({ text }) => text), ...rest };
}

/** Returns a broker with one message per millisecond, in two rooms. Counts the pages it reads. */
function twoRooms(texts: readonly string[]) {
  const rooms = new Map<string, MessageEntry[]>([["tea", []], ["cake", []]]);
  texts.forEach((text, at) => {
    const room = at % 3 === 0 ? "tea" : "cake";
    const offset = (rooms.get(room)?.length ?? 0) + 1;
    const author = { member: "ada", from: "Ada", nonce: `n${at}`, epoch: "e" };
    rooms.get(room)?.push({ type: "message", room, offset, text, at, ...author });
  });
  const source: Source & { pages: number } = {
    pages: 0,
    newestRooms: () => Array.from(rooms, ([room, log]) => ({ room, at: log.at(-1)?.at ?? 0 })),
    read(room, query) {
      source.pages++;
      const log = rooms.get(room) ?? [];
      const before = "before" in query ? query.before : 0;
      const entries = log.filter(({ offset }) => offset < before).slice(-query.limit);
      return { entries, first: 1, head: { epoch: "e", offset: log.length }, valid: true };
    },
  };
  return source;
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

Deno.test("scan() finds each of several messages of the same millisecond once [F1] [F4]", async () => {
  const broker = new MemoryBroker();
  broker.fill("tea", 3, "tea");
  const offsets: number[] = [];
  for (let before: string | undefined, page = 0; page < 3; page++) {
    const query = parseQuery("tea");
    assert(query !== undefined);
    const found = await scan(broker, { query, before, limit: 1 }, () => Promise.resolve());
    offsets.push(...found?.messages.map(({ offset }) => offset) ?? []);
    before = found?.next;
  }
  assertEquals(offsets, [3, 2, 1]);
});

Deno.test("scan() says that it did not search the rooms beyond the newest 20 [F7]", async () => {
  const broker = new MemoryBroker();
  for (let i = 0; i < 20; i++) broker.fill(`room-${i}`, 1);
  assertEquals((await find(broker, "tea")).since, 1_000);
  assertEquals((await find(broker, "tea in:room-1")).since, undefined);
});

Deno.test("SearchQueue.add() runs a search after one that failed", async () => {
  const queue = new SearchQueue();
  await assertRejects(() => queue.add(() => Promise.reject(new Error("unreachable"))));
  assertEquals(await queue.add(() => Promise.resolve(1)), 1);
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

Deno.test("scan() pauses, stops when it takes too long, and continues [F7]", async () => {
  const texts = Array.from({ length: 360 }, (_, i) => `${i % 45 === 0 ? "word" : "other"} ${i}`);
  const source = twoRooms(texts);
  let [ms, pauses, scans] = [0, 0, 0];
  const pause = () => {
    pauses++;
    return Promise.resolve();
  };
  const found: (string | undefined)[] = [];
  let before: string | undefined;
  do {
    // A message takes 3 ms.
    const page = await find(source, "word", before, 20, pause, () => ms += 3);
    found.push(...page.texts);
    before = page.next;
    assertEquals(page.since === undefined, before === undefined);
    scans++;
  } while (before !== undefined);
  assertEquals(found, texts.filter((text) => text.startsWith("word")).reverse());
  assert(scans > 1 && pauses > 100, `${scans} scans, ${pauses} pauses`);
});

Deno.test("scan() continues past rooms that it reads only in part [F7]", async () => {
  const log = (room: string, count: number, at: number, text: string): MessageEntry[] =>
    Array.from({ length: count }, (_, i): MessageEntry => {
      const author = { member: "ada", from: "Ada", nonce: `${room}${i}`, epoch: "e" };
      return { type: "message", room, offset: i + 1, text, at: at + i, ...author };
    });
  const busy = log("busy", 1_000, 10_000, "other");
  const quiet = log("quiet", 250, 1_000, "word");
  const source: Source = {
    newestRooms: () => [{ room: "busy", at: 10_999 }, { room: "quiet", at: 1_249 }],
    read(room, query) {
      const entries = room === "busy" ? busy : quiet;
      const before = "before" in query ? query.before : 0;
      const page = entries.filter(({ offset }) => offset < before).slice(-query.limit);
      const head = { epoch: "e", offset: entries.length };
      return { entries: page, first: 1, head, valid: true };
    },
  };
  let [ms, found, scans] = [0, 0, 0];
  let before: string | undefined;
  do {
    const page = await find(source, "word", before, 20, undefined, () => ms += 3);
    found += page.texts.length;
    before = page.next;
    scans++;
  } while (before !== undefined && scans < 50);
  assertEquals([found, before], [250, undefined]);
});

Deno.test("scan() reads no older messages than the newest results need", async () => {
  const source = twoRooms(Array.from({ length: 600 }, () => "word"));
  const { texts, since } = await find(source, "word");
  assertEquals([texts.length, since], [20, undefined]);
  assertEquals(source.pages, 2);
});

// The promises of the broker port. The tests of each implementation run this suite.

import { assert, assertEquals } from "@std/assert";
import type { Broker, Entry, MessageDraft, Outcome, ReadQuery } from "../../../app/chat/broker.ts";

/** Settings that a test may change; times in ms. */
export interface BrokerSettings {
  readonly nameHoldMs: number;
  readonly graceMs: number;
  readonly retentionDays: number;
  readonly retentionMessages: number;
  readonly maxRooms: number;
  readonly maxDataBytes: number;
}

export const defaults: BrokerSettings = {
  nameHoldMs: 86_400_000,
  graceMs: 10_000,
  retentionDays: 0,
  retentionMessages: 0,
  maxRooms: 0,
  maxDataBytes: 0,
};

/** A wall clock that a test moves. */
export interface Wall {
  ms: number;
}

export type Open = (settings: BrokerSettings, wall: Wall) => Broker | Promise<Broker>;

export function draft(text: string, more: Partial<MessageDraft> = {}): MessageDraft {
  return {
    type: "message",
    room: "lobby",
    member: "ada",
    from: "Ada",
    text,
    nonce: `n-${text}`,
    ...more,
  };
}

/** Returns a function that defines tests of the brokers that `open` returns. */
export function testerOf(name: string, open: Open) {
  return (
    promise: string,
    run: (broker: Broker, wall: Wall, entries: Entry[]) => Promise<void>,
    settings: Partial<BrokerSettings> = {},
  ) =>
    Deno.test(`${name} ${promise}`, async () => {
      const wall = { ms: Date.UTC(2026, 0, 1) };
      const broker = await open({ ...defaults, ...settings }, wall);
      const entries: Entry[] = [];
      broker.subscribe({ entries: (some) => entries.push(...some), pruned: () => {} });
      try {
        await run(broker, wall, entries);
      } finally {
        await broker.close();
      }
    });
}

/** Tests the brokers that `open` returns. */
export function testBroker(name: string, open: Open): void {
  const test = testerOf(name, open);
  const newest: ReadQuery = { before: Infinity, limit: 100, maxBytes: 1e6 };
  const fill = async (broker: Broker, count: number) => {
    await broker.append(Array.from({ length: count }, (_, i) => draft(`m${i + 1}`)));
  };
  const texts = (entries: readonly Entry[]) => entries.map(({ text }) => text);

  test("append() numbers the messages of each room 1, 2, 3, … [M4]", async (broker) => {
    const results = await broker.append([
      draft("a"),
      draft("b", { room: "other" }),
      draft("c"),
    ]);
    assertEquals(results, [
      { kind: "stored", offset: 1 },
      { kind: "stored", offset: 1 },
      { kind: "stored", offset: 2 },
    ]);
    assertEquals(await broker.append([draft("d")]), [{ kind: "stored", offset: 3 }]);
  });

  test(
    "append() reports stored entries to the listener before it returns [M5]",
    async (broker, wall, entries) => {
      await broker.append([draft("a"), draft("b")]);
      const { epoch } = entries[0] ?? { epoch: "" };
      const common = {
        type: "message" as const,
        room: "lobby",
        member: "ada",
        from: "Ada",
        epoch,
        at: wall.ms,
      };
      assertEquals(entries, [
        { ...common, text: "a", nonce: "n-a", offset: 1 },
        { ...common, text: "b", nonce: "n-b", offset: 2 },
      ]);
      assert(epoch !== "");
    },
  );

  test(
    "append() returns the first result for a known (room, member, nonce) [M3]",
    async (broker, _, entries) => {
      await fill(broker, 3);
      const repeat = draft("m2", { text: "something else" });
      const results = await broker.append([
        repeat,
        draft("new"),
        draft("new"),
        { ...repeat, member: "ben" },
        { ...repeat, room: "other" },
      ]);
      assertEquals(results, [
        { kind: "repeat", offset: 2 },
        { kind: "stored", offset: 4 },
        { kind: "repeat", offset: 4 },
        { kind: "stored", offset: 5 },
        { kind: "stored", offset: 1 },
      ]);
      assertEquals(entries.length, 6);
    },
  );

  test(
    "append() recognizes a nonce for 7 days, even if its message was pruned [M3] [R11]",
    async (broker, wall) => {
      await fill(broker, 3);
      wall.ms += 6 * 86_400_000;
      await broker.prune();
      assertEquals((await broker.read("lobby", newest)).first, 3);
      assertEquals(await broker.append([draft("m1")]), [{ kind: "repeat", offset: 1 }]);
      wall.ms += 2 * 86_400_000;
      await broker.prune();
      assertEquals(await broker.append([draft("m1")]), [{ kind: "stored", offset: 4 }]);
    },
    { retentionMessages: 1 },
  );

  test("append() stores times that never decrease [M6]", async (broker, wall, entries) => {
    await broker.append([draft("a")]);
    wall.ms -= 5_000;
    await broker.append([draft("b")]);
    wall.ms += 9_000;
    await broker.append([draft("c")]);
    const start = entries[0]?.at ?? 0;
    assertEquals(entries.map(({ at }) => at - start), [0, 0, 4_000]);
  });

  test(
    "append() creates no room beyond the limit and still stores in existing ones",
    async (broker) => {
      const results = await broker.append([
        draft("a", { room: "one" }),
        draft("b", { room: "two" }),
        draft("c", { room: "three" }),
        draft("d", { room: "one" }),
      ]);
      assertEquals(results.map(({ kind }) => kind), ["stored", "stored", "rooms_full", "stored"]);
    },
    { maxRooms: 2 },
  );

  test(
    "append() beyond the limit evicts a room without members whose only message is a day old [L11]",
    async (broker, wall) => {
      const append = async (room: string) => {
        const [result] = await broker.append([draft(`in ${room}`, { room, nonce: `${wall.ms}` })]);
        // After a failed search for a room to evict, the broker waits a second before the next.
        wall.ms += 1_001;
        return result;
      };
      const first = wall.ms;
      await append("one");
      await append("two");
      assertEquals(await append("three"), { kind: "rooms_full" });
      await broker.claim("ada", "Ada");
      broker.cluster?.join("one", "ada", "Ada");
      await broker.read("one", newest);
      const { head } = await broker.read("two", newest);
      broker.forget?.("two");
      wall.ms += 86_400_000;
      assertEquals(await append("three"), { kind: "stored", offset: 1 });
      const two = await broker.read("two", newest);
      assertEquals([two.entries, two.first, two.head.offset], [[], 2, 1]);
      assertEquals((await broker.read("two", { ...newest, after: head })).valid, true);
      broker.forget?.("two");
      assertEquals(await append("two"), { kind: "rooms_full" });
      // The nonce of an evicted message is still known.
      const again = draft("in two", { room: "two", nonce: `${first + 1_001}` });
      assertEquals(await broker.append([again]), [{ kind: "repeat", offset: 1 }]);
      assertEquals(await append("one"), { kind: "stored", offset: 2 });
      wall.ms += 86_400_000;
      assertEquals(await append("two"), { kind: "stored", offset: 2 });
      assertEquals((await broker.read("three", newest)).entries, []);
      // A room can be evicted again.
      broker.forget?.("three");
      wall.ms += 86_400_000;
      assertEquals(await append("three"), { kind: "stored", offset: 2 });
      assertEquals((await broker.read("two", newest)).first, 3);
    },
    { maxRooms: 2 },
  );

  test(
    "append() never evicts a room that the same batch has written to [L11]",
    async (broker, wall) => {
      await broker.append([draft("a", { room: "one", nonce: "a" })]);
      wall.ms += 2 * 86_400_000;
      const batch = [draft("b", { room: "one", nonce: "b" }), draft("c", { room: "two" })];
      assertEquals(await broker.append(batch), [{ kind: "stored", offset: 2 }, {
        kind: "rooms_full",
      }]);
      assertEquals((await broker.read("one", newest)).entries.map(({ text }) => text), ["a", "b"]);
    },
    { maxRooms: 1 },
  );

  test(
    "append() opens a room in place of one that retention has emptied [R11]",
    async (broker, wall) => {
      await broker.append([draft("a", { room: "one" })]);
      wall.ms += 3 * 86_400_000;
      await broker.prune();
      assertEquals(await broker.append([draft("b", { room: "two" })]), [
        { kind: "stored", offset: 1 },
      ]);
      assertEquals(await broker.append([draft("c", { room: "one" })]), [{ kind: "rooms_full" }]);
    },
    { maxRooms: 1, retentionDays: 2 },
  );

  test("append() stores texts and names unchanged", async (broker) => {
    const odd = "'; DROP TABLE messages; --\n\t\u{1f600}\u202e";
    await broker.append([draft(odd, { from: odd, nonce: "n" })]);
    const [entry] = (await broker.read("lobby", newest)).entries;
    assertEquals([entry?.text, entry?.from], [odd, odd]);
  });

  test(
    "read() returns an empty page of the current epoch for a room without messages [R2]",
    async (broker, _, entries) => {
      const page = await broker.read("lobby", newest);
      await fill(broker, 1);
      assertEquals(page, {
        entries: [],
        first: 1,
        head: { epoch: entries[0]?.epoch ?? "", offset: 0 },
        valid: true,
      });
      const again = await broker.read("lobby", { ...newest, after: page.head });
      assertEquals([again.valid, texts(again.entries)], [true, ["m1"]]);
    },
  );

  test("read() returns the newest messages before an offset, in order [R9]", async (broker) => {
    await fill(broker, 20);
    const all = await broker.read("lobby", { before: Infinity, limit: 5, maxBytes: 1e6 });
    assertEquals(texts(all.entries), ["m16", "m17", "m18", "m19", "m20"]);
    const some = await broker.read("lobby", { before: 4, limit: 100, maxBytes: 1e6 });
    assertEquals(texts(some.entries), ["m1", "m2", "m3"]);
    assertEquals([some.first, some.head.offset], [1, 20]);
    assertEquals((await broker.read("lobby", { before: 1, limit: 5, maxBytes: 1 })).entries, []);
  });

  test(
    "read() returns the oldest messages after a position, in order [R4]",
    async (broker, _, entries) => {
      await fill(broker, 20);
      const epoch = entries[0]?.epoch ?? "";
      const page = await broker.read("lobby", {
        after: { epoch, offset: 15 },
        limit: 3,
        maxBytes: 1e6,
      });
      assertEquals([page.valid, texts(page.entries)], [true, ["m16", "m17", "m18"]]);
      const none = await broker.read("lobby", {
        after: { epoch, offset: 20 },
        limit: 3,
        maxBytes: 1,
      });
      assertEquals([none.valid, none.entries], [true, []]);
    },
  );

  test("read() rejects a position of another log [R3]", async (broker, _, entries) => {
    await fill(broker, 3);
    const epoch = entries[0]?.epoch ?? "";
    for (
      const after of [{ epoch, offset: 4 }, { epoch: "other", offset: 2 }, {
        epoch: "x",
        offset: 0,
      }]
    ) {
      const page = await broker.read("lobby", { after, limit: 10, maxBytes: 1e6 });
      assertEquals([page.valid, page.entries], [false, []], JSON.stringify(after));
    }
    const start = await broker.read("lobby", {
      after: { epoch, offset: 0 },
      limit: 10,
      maxBytes: 1e6,
    });
    assertEquals([start.valid, start.entries.length], [true, 3]);
  });

  test(
    "read() returns as many entries as fit, at least one message [R4]",
    async (broker, _, entries) => {
      const text = "x".repeat(1_000);
      await broker.append(Array.from({ length: 10 }, (_, i) => draft(text, { nonce: `${i}` })));
      const after = { epoch: entries[0]?.epoch ?? "", offset: 2 };
      const some = await broker.read("lobby", { after, limit: 10, maxBytes: 3_500 });
      assertEquals(some.entries.map(({ offset }) => offset), [3, 4, 5]);
      const one = await broker.read("lobby", { before: Infinity, limit: 10, maxBytes: 10 });
      assertEquals(one.entries.map(({ offset }) => offset), [10]);
    },
  );

  test("read() counts bytes, not characters [R4]", async (broker) => {
    const text = "\u4e16".repeat(1_000);
    await broker.append(Array.from({ length: 10 }, (_, i) => draft(text, { nonce: `${i}` })));
    const page = await broker.read("lobby", { before: Infinity, limit: 10, maxBytes: 7_000 });
    assertEquals(page.entries.map(({ offset }) => offset), [9, 10]);
  });

  test(
    "read() returns long pages without holes, in both directions [R4] [R9]",
    async (broker, _, entries) => {
      await fill(broker, 700);
      const epoch = entries[0]?.epoch ?? "";
      const offsets = (from: number, count: number) =>
        Array.from({ length: count }, (_, i) => from + i);
      const bounds = { limit: 500, maxBytes: 1e6 };
      const on = await broker.read("lobby", { after: { epoch, offset: 100 }, ...bounds });
      assertEquals(on.entries.map(({ offset }) => offset), offsets(101, 500));
      const back = await broker.read("lobby", { before: 601, ...bounds });
      assertEquals(back.entries.map(({ offset }) => offset), offsets(101, 500));
      const rest = await broker.read("lobby", { before: 300, ...bounds });
      assertEquals(rest.entries.map(({ offset }) => offset), offsets(1, 299));
    },
  );

  test(
    "newestRooms() sorts public rooms that have messages by last use [D1] [S2]",
    async (broker, wall) => {
      const rooms = ["attic", "cellar", "lobby"];
      for (const [i, room] of ["lobby", ...rooms].entries()) {
        wall.ms += 1_000;
        await broker.append([draft(`m${i}`, { room })]);
      }
      for (let i = 0; i < 3; i++) await broker.append([draft("sealed", { room: `p-${i}` })]);
      const found = await broker.newestRooms(2);
      assertEquals(found, [
        { room: "lobby", at: wall.ms },
        { room: "cellar", at: wall.ms - 1_000 },
      ]);
      assertEquals((await broker.newestRooms(10)).length, 3);
    },
  );

  test("release() has no effect if it is repeated [N7] [N8]", async (broker, wall) => {
    await broker.claim("ada", "Ada");
    await broker.release("ada");
    wall.ms += 30_000;
    await broker.claim("eve", "Ada");
    // The hub repeats a release whose reply was lost.
    await broker.release("ada");
    assertEquals(await broker.claim("ada", "Ida"), "Ida");
  }, { nameHoldMs: 30_000 });

  test("prune() reports each pruned room once to the listener [R11]", async (broker) => {
    const pruned: unknown[] = [];
    broker.subscribe({
      entries: () => {},
      pruned: (room, first) => pruned.push([room, first]),
    });
    await fill(broker, 5);
    await broker.append([draft("a", { room: "other" })]);
    await broker.prune();
    await broker.prune();
    assertEquals(pruned, [["lobby", 4]]);
  }, { retentionMessages: 2 });

  test(
    "prune() deletes from the start and never reuses an offset [R11]",
    async (broker, _, entries) => {
      await fill(broker, 10);
      await broker.prune();
      const page = await broker.read("lobby", newest);
      assertEquals([page.first, texts(page.entries)], [8, ["m8", "m9", "m10"]]);
      const after = { epoch: entries[0]?.epoch ?? "", offset: 2 };
      const valid = await broker.read("lobby", { after, limit: 10, maxBytes: 1e6 });
      assertEquals([valid.valid, valid.entries[0]?.offset], [true, 8]);
    },
    { retentionMessages: 3 },
  );

  test("prune() deletes messages older than the retention days [R11]", async (broker, wall) => {
    await fill(broker, 3);
    wall.ms += 86_400_000 + 1;
    await broker.append([draft("new")]);
    await broker.prune();
    const page = await broker.read("lobby", newest);
    assertEquals([page.first, texts(page.entries)], [4, ["new"]]);
    wall.ms += 2 * 86_400_000;
    await broker.prune();
    const empty = await broker.read("lobby", newest);
    assertEquals([empty.first, empty.head.offset, empty.entries], [5, 4, []]);
    assertEquals(await broker.append([draft("next")]), [{ kind: "stored", offset: 5 }]);
  }, { retentionDays: 1 });

  test("claim() gives a name to one member only, in any case and width [N4]", async (broker) => {
    assertEquals(await broker.claim("ada", "Straße"), "Straße");
    for (const same of ["Straße", "STRASSE", "strasse", "Ｓtraße"]) {
      assertEquals(await broker.claim("ben", same), undefined, same);
    }
    assertEquals(await broker.claim("ben", "Strasse2"), "Strasse2");
  });

  test("claim() without a username gives no name to a member that holds none [N7]", async (broker) => {
    assertEquals(await broker.claim("ada", undefined), undefined);
    assertEquals(await broker.claim("ada", "Ada"), "Ada");
    assertEquals(await broker.claim("ada", undefined), "Ada");
    assertEquals(await broker.claim("ben", "Ben"), "Ben");
  });

  test("claim() returns the name that a member holds, even if it asks for another [N7]", async (broker) => {
    await broker.claim("ada", "Ada");
    assertEquals(await broker.claim("ada", "Ida"), "Ada");
    assertEquals(await broker.claim("ben", "Ida"), "Ida");
    assertEquals(await broker.claim("ada", "Ida"), "Ada");
  });

  test("batch() claims and releases names in order [N4] [N8]", async (broker) => {
    await broker.claim("ben", "Ben");
    const results: Outcome<unknown>[] = [];
    broker.batch(() => {
      results.push(broker.claim("ada", "Ada"), broker.claim("zoe", "Ada"), broker.release("ben"));
      results.push(broker.claim("zoe", "Ben"), broker.claim("ben", "x"));
    });
    assertEquals(await Promise.all(results), ["Ada", undefined, undefined, undefined, "Ben"]);
  });

  test(
    "release() holds the name of a member that never wrote for 10 minutes [N8]",
    async (broker, wall) => {
      await broker.claim("ada", "Ada");
      await broker.release("ada");
      wall.ms += 599_999;
      assertEquals(await broker.claim("ben", "ada"), undefined);
      assertEquals(await broker.claim("ada", "Other"), "Ada");
      await broker.release("ada");
      wall.ms += 600_000;
      assertEquals(await broker.claim("ben", "ada"), "ada");
    },
  );

  test("holdsName() returns whether a member holds a name [N13]", async (broker, wall) => {
    await broker.claim("ada", "Ada");
    await broker.release("ada");
    wall.ms += 599_999;
    assertEquals(await broker.holdsName("ada"), true);
    assertEquals(await broker.holdsName("ben"), false);
    wall.ms++;
    assertEquals(await broker.holdsName("ada"), false);
  });

  test("release() can free all names of a member immediately [N8]", async (broker) => {
    await broker.claim("zoe", "Zoe");
    await broker.append([{ ...draft("a"), member: "zoe" }]);
    await broker.rename("zoe", "Zoë");
    await broker.release("zoe", true);
    assertEquals(await broker.claim("ben", "Zoe"), "Zoe");
    assertEquals(await broker.rename("ben", "Zoë"), true);
    await broker.claim("ada", "Ada");
    await broker.release("ada", true);
    await broker.release("ben", true);
    assertEquals(await broker.claim("ben", "ada"), "ada");
    assertEquals(await broker.claim("ada", "Ada"), undefined);
  });

  test("release() holds the name of a member that wrote [N8]", async (broker, wall) => {
    await broker.claim("ada", "Ada");
    await broker.append([draft("a")]);
    await broker.release("ada");
    wall.ms += defaults.nameHoldMs - 1;
    assertEquals(await broker.claim("ben", "Ada"), undefined);
    assertEquals(await broker.claim("ada", "Other"), "Ada");
    await broker.release("ada");
    wall.ms += defaults.nameHoldMs;
    assertEquals(await broker.claim("ben", "Ada"), "Ada");
    assertEquals(await broker.claim("ada", "Other"), "Other");
  });

  test("release() holds the name of a member that wrote, even after a late message [N8]", async (broker) => {
    await broker.claim("ada", "Ada");
    await broker.release("ada");
    await broker.append([draft("late")]);
    await broker.claim("ada", "Ada");
    await broker.append([draft("a")]);
    await broker.release("ada");
    assertEquals(await broker.claim("ben", "Ada"), undefined);
  });

  test("release() holds both names of a member, and frees both [N8]", async (broker) => {
    await broker.claim("ada", "Ada");
    await broker.append([draft("a")]);
    await broker.rename("ada", "Ida");
    await broker.release("ada");
    assertEquals(await broker.claim("zoe", "Ada"), undefined);
    assertEquals(await broker.claim("zoe", "Ida"), undefined);
    await broker.claim("ben", "Ben");
    await broker.rename("ben", "Bob");
    await broker.release("ben", true);
    assertEquals(await broker.claim("zoe", "Ben"), "Ben");
    assertEquals(await broker.rename("zoe", "Bob"), true);
  });

  test("rename() refuses the name of another member and changes nothing [N4]", async (broker) => {
    await broker.claim("ada", "Ada");
    await broker.claim("ben", "Ben");
    assertEquals(await broker.rename("ben", "ADA"), false);
    assertEquals(await broker.claim("ben", "x"), "Ben");
  });

  test("rename() keeps the former name, but not the one before it [N8]", async (broker) => {
    await broker.claim("ada", "Ada");
    assertEquals(await broker.rename("ada", "Ida"), true);
    assertEquals(await broker.claim("ben", "Ada"), undefined);
    assertEquals(await broker.claim("ben", "Ida"), undefined);
    assertEquals(await broker.rename("ada", "Eda"), true);
    assertEquals(await broker.claim("ben", "Ada"), "Ada");
    assertEquals(await broker.rename("ada", "Ada"), false);
    assertEquals(await broker.rename("ada", "Ida"), true);
    assertEquals(await broker.claim("ada", "x"), "Ida");
  });

  test("rename() changes the case of a member's own name [N4]", async (broker) => {
    await broker.claim("ada", "ada");
    assertEquals(await broker.rename("ada", "ADA"), true);
    assertEquals(await broker.claim("ada", "x"), "ADA");
  });
}

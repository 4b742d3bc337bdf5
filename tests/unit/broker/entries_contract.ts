// The promises of the broker port about replies, edits, deletions and titles. The tests of each
// implementation run this suite.

import { assertEquals } from "@std/assert";
import type {
  Broker,
  DeleteDraft,
  EditDraft,
  Entry,
  Page,
  ReadQuery,
  TitleDraft,
} from "../../../app/chat/broker.ts";
import { draft, testerOf } from "./broker_contract.ts";
import type { Open } from "./broker_contract.ts";

const author = { room: "lobby", member: "ada", from: "Ada" };

export function edit(target: number, text: string, more: Partial<EditDraft> = {}): EditDraft {
  return { type: "edit", ...author, target, text, nonce: `e${target}-${text}`, ...more };
}

export function deletion(
  targets: readonly number[],
  more: Partial<DeleteDraft> = {},
): DeleteDraft {
  return { type: "delete", ...author, targets, nonce: `d-${targets.join("-")}`, ...more };
}

export function title(text: string, more: Partial<TitleDraft> = {}): TitleDraft {
  return { type: "title", ...author, text, nonce: `t-${text}`, ...more };
}

const newest: ReadQuery = { before: Infinity, limit: 100, maxBytes: 1e6 };

/** Returns a message as its text and last amendment, and any other entry as its type and text. */
function short(entry: Entry): string {
  switch (entry.type) {
    case "message":
      return `${entry.text ?? `deleted by ${entry.deletedBy}`}@${entry.amended ?? 0}`;
    case "delete":
      return `delete ${entry.targets.join(" ")}`;
    case "edit":
      return `edit ${entry.target}: ${entry.text ?? "-"}`;
    case "title":
      return `title ${entry.text}`;
  }
}

function shorts({ entries }: Page): readonly string[] {
  return entries.map(short);
}

/** Tests the brokers that `open` returns. */
export function testEntries(name: string, open: Open): void {
  const test = testerOf(name, open);
  const fill = async (broker: Broker, count: number) => {
    await broker.append(Array.from({ length: count }, (_, i) => draft(`m${i + 1}`)));
  };

  test(
    "append() stores the offset of the message that a reply is to [E2]",
    async (broker, _, entries) => {
      await broker.append([draft("a"), draft("b", { reply: 1 })]);
      const page = await broker.read("lobby", newest);
      for (const found of [entries, page.entries]) {
        assertEquals(found.map((entry) => entry.type === "message" && entry.reply), [undefined, 1]);
      }
    },
  );

  test(
    "append() replaces the text of a message and stores the edit as an entry [E1] [E3] [E6]",
    async (broker, wall, entries) => {
      await fill(broker, 2);
      wall.ms += 5_000;
      assertEquals(await broker.append([edit(1, "new")]), [{ kind: "stored", offset: 3 }]);
      const { epoch, at, ...rest } = entries.at(-1) ?? { epoch: "", at: 0 };
      assertEquals<unknown>(rest, {
        type: "edit",
        ...author,
        target: 1,
        text: "new",
        nonce: "e1-new",
        offset: 3,
      });
      const page = await broker.read("lobby", newest);
      assertEquals(page.entries[0], {
        type: "message",
        ...author,
        text: "new",
        nonce: "n-m1",
        offset: 1,
        amended: 3,
        editedAt: at,
        epoch,
        at: at - 5_000,
      });
      assertEquals(shorts(page), ["new@3", "m2@0", "edit 1: new"]);
    },
  );

  test(
    "append() keeps a deleted message without its text [E4] [E6]",
    async (broker, _, entries) => {
      await broker.append([draft("a", { reply: 7 }), edit(1, "b"), edit(1, "c"), deletion([1])]);
      assertEquals(entries.map(short), ["a@0", "edit 1: b", "edit 1: c", "delete 1"]);
      const page = await broker.read("lobby", newest);
      assertEquals(shorts(page), ["deleted by ada@4", "edit 1: -", "edit 1: -", "delete 1"]);
      const { epoch = "", at = 0 } = entries[0] ?? {};
      assertEquals(page.entries[0], {
        type: "message",
        ...author,
        nonce: "n-a",
        reply: 7,
        offset: 1,
        amended: 4,
        deletedBy: "ada",
        epoch,
        at,
      });
    },
  );

  test(
    "append() evicts no room that has a title, or whose only entry is not a message [L11]",
    async (broker, wall) => {
      const hourMs = 3_600_000;
      await broker.append([
        draft("a", { room: "edited" }),
        draft("a", { room: "titled" }),
        title("Titled", { room: "titled" }),
      ]);
      wall.ms += 12 * hourMs;
      await broker.append([edit(1, "b", { room: "edited" }), draft("b", { room: "titled" })]);
      wall.ms += 13 * hourMs;
      while (await broker.prune());
      wall.ms += 24 * hourMs;
      assertEquals(await broker.append([draft("c", { room: "new" })]), [{ kind: "rooms_full" }]);
      assertEquals(shorts(await broker.read("edited", newest)), ["edit 1: -"]);
      assertEquals(shorts(await broker.read("titled", newest)), ["b@0"]);
    },
    { maxRooms: 2, retentionDays: 1 },
  );

  test("read() includes the text only in the last edit of a message [E6]", async (broker) => {
    await broker.append([draft("a"), draft("b"), edit(1, "c"), edit(2, "d"), edit(1, "e")]);
    const page = await broker.read("lobby", newest);
    assertEquals(shorts(page), ["e@5", "d@4", "edit 1: -", "edit 2: d", "edit 1: e"]);
  });

  test(
    "append() refuses to amend other members' messages, within the transaction [E3] [E4]",
    async (broker) => {
      await fill(broker, 1);
      const other = { member: "ben", from: "Ben" };
      const results = await broker.append([
        edit(1, "x", other),
        deletion([1], other),
        draft("own", other),
        edit(2, "mine", other),
        edit(2, "not mine"),
        deletion([1, 2]),
        deletion([1, 2], { ...other, isModerator: true }),
      ]);
      assertEquals(results.map(({ kind }) => kind), [
        "forbidden",
        "forbidden",
        "stored",
        "stored",
        "forbidden",
        "forbidden",
        "stored",
      ]);
      assertEquals(shorts(await broker.read("lobby", newest)), [
        "deleted by ben@4",
        "deleted by ben@4",
        "edit 2: -",
        "delete 1 2",
      ]);
    },
  );

  test(
    "append() returns not_found for targets that are missing, deleted or not messages [E3] [E4]",
    async (broker) => {
      await broker.append([draft("a"), draft("b"), edit(1, "c"), deletion([2])]);
      const drafts = [
        edit(2, "x"),
        deletion([2], { nonce: "again" }),
        edit(3, "x"),
        deletion([3]),
        deletion([4]),
        edit(9, "x"),
        edit(1, "x", { room: "other" }),
      ];
      for (const result of await broker.append(drafts)) assertEquals(result, { kind: "not_found" });
      assertEquals((await broker.read("lobby", newest)).head.offset, 4);
      assertEquals((await broker.read("other", newest)).head.offset, 0);
      // A deletion of several messages skips those that are gone.
      assertEquals(await broker.append([deletion([2, 1, 9, 1])]), [{ kind: "stored", offset: 5 }]);
      assertEquals(shorts(await broker.read("lobby", newest)).at(-1), "delete 1");
    },
  );

  test(
    "append() checks each draft against the state after the drafts before it [E3]",
    async (broker) => {
      const results = await broker.append([
        edit(1, "early"),
        draft("a"),
        edit(1, "b"),
        deletion([1]),
        edit(1, "late"),
        title("T"),
      ]);
      assertEquals(results, [
        { kind: "not_found" },
        { kind: "stored", offset: 1 },
        { kind: "stored", offset: 2 },
        { kind: "stored", offset: 3 },
        { kind: "not_found" },
        { kind: "stored", offset: 4 },
      ]);
    },
  );

  test("append() allows 20 edits of a message [E3]", async (broker) => {
    await broker.append([draft("a")]);
    const results = await broker.append(Array.from({ length: 21 }, (_, i) => edit(1, `e${i}`)));
    assertEquals(results.at(-2), { kind: "stored", offset: 21 });
    assertEquals(results.at(-1), { kind: "edits_exhausted" });
    assertEquals(shorts(await broker.read("lobby", newest))[0], "e19@21");
    assertEquals((await broker.append([deletion([1])]))[0]?.kind, "stored");
  });

  test(
    "append() returns the first result again after the target is gone [M3] [E1]",
    async (broker, wall, entries) => {
      const drafts = [edit(1, "b"), deletion([1]), title("T")];
      await broker.append([draft("a"), ...drafts]);
      const expected = [2, 3, 4].map((offset) => ({ kind: "repeat" as const, offset }));
      assertEquals(await broker.append(drafts), expected);
      await fill(broker, 2);
      wall.ms += 2 * 86_400_000;
      await broker.prune();
      assertEquals((await broker.read("lobby", newest)).entries, []);
      assertEquals(await broker.append(drafts), expected);
      assertEquals(entries.length, 6);
    },
    { retentionDays: 1 },
  );

  test("append() sets the title of a room that has messages [E5]", async (broker) => {
    assertEquals(await broker.append([title("Too early")]), [{ kind: "not_found" }]);
    assertEquals((await broker.newestRooms(10)).length, 0);
    await broker.append([draft("a"), title("First"), title("Second", { member: "ben" })]);
    const page = await broker.read("lobby", newest);
    assertEquals(page.title, "Second");
    assertEquals(shorts(page), ["a@0", "title First", "title Second"]);
    const [room] = await broker.newestRooms(10);
    assertEquals(room?.title, "Second");
  });

  test("prune() removes a room's title with its last entry [E5] [R11]", async (broker, wall) => {
    await broker.append([draft("a"), title("T")]);
    wall.ms += 2 * 86_400_000;
    await broker.prune();
    assertEquals((await broker.read("lobby", newest)).title, undefined);
    assertEquals(await broker.append([title("U")]), [{ kind: "not_found" }]);
  }, { retentionDays: 1 });

  test("read() counts only messages towards the limit [E8] [R9]", async (broker, _, entries) => {
    await broker.append([
      draft("a"),
      draft("b"),
      edit(1, "c"),
      title("T"),
      draft("d"),
      edit(2, "e"),
    ]);
    const end = await broker.read("lobby", { ...newest, limit: 2 });
    assertEquals(end.entries.map(({ offset }) => offset), [2, 3, 4, 5, 6]);
    const before = await broker.read("lobby", { before: 5, limit: 1, maxBytes: 1e6 });
    assertEquals(before.entries.map(({ offset }) => offset), [2, 3, 4]);
    const after = { epoch: entries[0]?.epoch ?? "", offset: 1 };
    const on = await broker.read("lobby", { after, limit: 1, maxBytes: 1e6 });
    assertEquals(on.entries.map(({ offset }) => offset), [2]);
    // Entries other than messages have a size too.
    const small = await broker.read("lobby", { ...newest, maxBytes: 300 });
    assertEquals(small.entries.map(({ offset }) => offset), [5, 6]);
  });

  test(
    "read() counts the messages after a position, and every pruned entry as one [E8] [R7]",
    async (broker, _, entries) => {
      const behind = async (offset: number) => {
        const after = { epoch: entries[0]?.epoch ?? "", offset };
        return (await broker.read("lobby", { after, limit: 1, maxBytes: 1 })).behind;
      };
      await broker.append([draft("a"), edit(1, "b"), draft("c"), edit(1, "d"), edit(3, "e")]);
      await fill(broker, 3);
      assertEquals(await Promise.all([0, 1, 2, 3, 4, 5, 7, 8].map(behind)), [
        5,
        4,
        4,
        3,
        3,
        3,
        1,
        0,
      ]);
      await broker.prune();
      // The room keeps its last two messages, 7 and 8.
      assertEquals((await broker.read("lobby", newest)).first, 7);
      assertEquals(await Promise.all([0, 5, 6, 8].map(behind)), [8, 3, 2, 0]);
    },
    { retentionMessages: 2 },
  );

  test(
    "prune() keeps the newest messages and the entries between them [E8] [R11]",
    async (broker) => {
      await broker.append([draft("a"), draft("b"), edit(1, "c"), draft("d"), edit(2, "e")]);
      await broker.append([edit(2, "f"), deletion([4]), title("T")]);
      await broker.prune();
      const page = await broker.read("lobby", newest);
      assertEquals([page.first, page.title], [2, "T"]);
      assertEquals(shorts(page), [
        "f@6",
        "edit 1: -",
        "deleted by ada@7",
        "edit 2: -",
        "edit 2: f",
        "delete 4",
        "title T",
      ]);
      assertEquals((await broker.append([edit(1, "x")]))[0]?.kind, "not_found");
    },
    { retentionMessages: 2 },
  );

  test(
    "append() marks only authors of stored entries as having written [N8]",
    async (broker, wall) => {
      await fill(broker, 1);
      await broker.claim("ben", "Ben");
      await broker.append([edit(1, "x", { member: "ben", from: "Ben" })]);
      await broker.release("ben");
      wall.ms += 600_000;
      assertEquals(await broker.claim("cy", "Ben"), "Ben");
    },
  );
}

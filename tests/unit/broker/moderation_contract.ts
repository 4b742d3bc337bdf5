// The promises of the broker port about moderators, mutes, bans and sweeps. The tests of each
// implementation run this suite.

import { assert, assertEquals } from "@std/assert";
import type {
  Broker,
  Draft,
  Moderation,
  ModerationResult,
  Moderator,
  ReadQuery,
} from "../../../app/chat/broker.ts";
import type { ModeratorCommand } from "../../../app/protocol/wire.ts";
import { defaults, draft } from "./broker_contract.ts";
import type { Wall } from "./broker_contract.ts";
import { deletion, edit, title } from "./entries_contract.ts";

/** A broker that can keep sanctions. */
export type ModeratedBroker = Broker & { readonly moderation: Moderation };

/** Returns a broker on a storage that only the test uses. The storage outlives the broker. */
export type Start = (wall: Wall, moderatorMac: (member: string) => string) => Promise<
  ModeratedBroker
>;

/** Runs `use` with a storage that only it uses. */
export type WithStorage = (use: (start: Start) => Promise<void>) => Promise<void>;

const hourMs = 3_600_000;
export const mona: Moderator = { member: "mona", username: "Mona", network: "198.51.100.1" };
export const macOf = (code: string) => (member: string) => `${code} ${member}`;
const everything: ReadQuery = { before: Infinity, limit: 10_000, maxBytes: 1e7 };

/** Returns a message of a member. */
export function from(member: string, text: string, more: object = {}): Draft {
  return draft(text, { member, from: member, ...more });
}

export function mute(member: string, seconds = 60): ModeratorCommand {
  return { type: "mute", member, seconds };
}

export function ban(member: string, more: object = {}): ModeratorCommand {
  return { type: "ban", member, seconds: 60, deleteMessages: false, network: false, ...more };
}

/** Returns a result that must not be a refusal. */
export function done(result: ModerationResult) {
  if (result.kind !== "done") throw new Error(JSON.stringify(result));
  return result;
}

async function kindsOf(broker: Broker, drafts: readonly Draft[]): Promise<readonly string[]> {
  return (await broker.append(drafts)).map(({ kind }) => kind);
}

/** Sweeps to the end, and returns how many messages that deleted. */
export async function sweepAll({ moderation }: ModeratedBroker): Promise<number> {
  for (let deleted = 0;;) {
    const step = await moderation.sweep();
    deleted += step.deleted;
    if (!step.hasMore) return deleted;
  }
}

/** Returns the texts of a room's messages, or the member who deleted each. */
export async function textsOf(broker: Broker, room = "lobby"): Promise<readonly string[]> {
  const { entries } = await broker.read(room, everything);
  return entries.flatMap((entry) =>
    entry.type === "message" ? [entry.text ?? `deleted by ${entry.deletedBy}`] : []
  );
}

/** Returns the members whose bans are reported from now on. */
export function bannedIn(broker: Broker): string[] {
  const banned: string[] = [];
  broker.subscribe({
    entries: () => {},
    pruned: () => {},
    membersBanned: (members) => banned.push(...members),
  });
  return banned;
}

/** Tests the brokers on the storages of `withStorage`. */
export function testModeration(name: string, withStorage: WithStorage): void {
  /** Tests a broker whose moderator is Mona. `restart` closes it and starts another. */
  const test = (
    promise: string,
    run: (
      broker: ModeratedBroker,
      wall: Wall,
      restart: (code?: string) => Promise<ModeratedBroker>,
    ) => Promise<void>,
  ) =>
    Deno.test(`${name} ${promise}`, () =>
      withStorage(async (start) => {
        const wall = { ms: Date.UTC(2026, 0, 1) };
        let broker = await start(wall, macOf("code"));
        await broker.moderation.appoint("mona");
        await run(broker, wall, async (code = "code") => {
          await broker.close();
          return broker = await start(wall, macOf(code));
        });
        await broker.close();
      }));

  test(
    "append() refuses a muted member's entries, except deletions of its messages [B3] [B5]",
    async (broker, wall) => {
      await broker.append([from("ada", "a"), from("ben", "b")]);
      await broker.moderation.moderate(mute("ada"), mona);
      wall.ms += 10_000;
      assertEquals(await broker.append([from("ada", "c")]), [
        { kind: "muted", retryAfter: 50_000 },
      ]);
      const drafts = [
        from("ada", "a"),
        edit(1, "x", { from: "ada" }),
        title("News", { from: "ada" }),
        edit(2, "x", { from: "ada" }),
        deletion([1], { from: "ada" }),
        from("ben", "c"),
      ];
      assertEquals(
        await kindsOf(broker, drafts),
        ["repeat", "muted", "muted", "muted", "stored", "stored"],
      );
      assertEquals(broker.moderation.mutedFor("ada"), 50_000);
      wall.ms += 50_000;
      assertEquals(broker.moderation.mutedFor("ada"), 0);
      assertEquals(await kindsOf(broker, [from("ada", "d")]), ["stored"]);
    },
  );

  test(
    "append() checks for a repeat first, then for a ban, then the author [B5]",
    async (broker) => {
      await broker.append([from("ada", "a"), from("ben", "b")]);
      await broker.moderation.moderate(ban("ada"), mona);
      assertEquals(
        await kindsOf(broker, [from("ada", "a"), edit(2, "x"), deletion([1]), from("ben", "c")]),
        ["repeat", "banned", "banned", "stored"],
      );
    },
  );

  test(
    "claim() refuses a banned member, and gives its name to nobody else [B4] [B8]",
    async (broker, wall) => {
      assertEquals(await broker.claim("ada", "Ada"), "Ada");
      await broker.moderation.moderate(ban("ada", { seconds: 3_600 }), mona);
      await broker.release("ada", true);
      wall.ms += 1_800_000;
      await broker.prune();
      assertEquals(await broker.claim("ada", "Ada"), { kind: "banned", retryAfter: 1_800_000 });
      assertEquals(await broker.claim("ben", "Ada"), undefined);
      wall.ms += 1_800_000;
      assertEquals(await broker.claim("ben", "Ada"), "Ada");
      assertEquals(await broker.claim("ada", "Ida"), "Ida");
    },
  );

  test(
    "moderation keeps sanctions and moderators across a restart [B1] [B8]",
    async (broker, _, restart) => {
      await broker.moderation.moderate(ban("ada"), mona);
      await broker.moderation.moderate(mute("ben"), mona);
      broker = await restart();
      assertEquals(broker.moderation.mutedFor("ben"), 60_000);
      assertEquals(await kindsOf(broker, [from("ada", "a"), from("ben", "b")]), [
        "banned",
        "muted",
      ]);
      assertEquals(await broker.claim("ada", "Ada"), { kind: "banned", retryAfter: 60_000 });
      const { sanctions } = done(await broker.moderation.moderate({ type: "sanctions" }, mona));
      assertEquals(sanctions.map(({ kind, member, by }) => [kind, member, by]), [
        ["mute", "ben", "Mona"],
        ["ban", "ada", "Mona"],
      ]);
      const { moderation } = await restart("another");
      assertEquals(await moderation.isModerator("mona"), false);
      assertEquals(await moderation.moderate(mute("ada"), mona), {
        kind: "refused",
        code: "forbidden",
      });
      await moderation.appoint("mona");
      assertEquals(await moderation.isModerator("mona"), true);
    },
  );

  test("moderation lifts and replaces sanctions [B8]", async (broker, wall) => {
    const { moderation } = broker;
    await broker.claim("ada", "Ada");
    const first = done(await moderation.moderate(mute("ada"), mona)).changed;
    const second = done(await moderation.moderate(mute("ada", 600), mona));
    const { id = 0, ...rest } = second.changed ?? {};
    const [at, until] = [wall.ms, wall.ms + 600_000];
    const expected = { kind: "mute", member: "ada", username: "Ada", at, until, by: "Mona" };
    assertEquals<unknown>(rest, expected);
    assertEquals<unknown>(second.sanctions, [{ id, ...rest }]);
    assertEquals(moderation.mutedFor("ada"), 600_000);
    const lift = (id = 0) => moderation.moderate({ type: "lift", id }, mona);
    assertEquals(await lift(first?.id), { kind: "refused", code: "not_found" });
    assertEquals(done(await lift(id)).sanctions, []);
    assertEquals(moderation.mutedFor("ada"), 0);
    assertEquals(await kindsOf(broker, [from("ada", "a")]), ["stored"]);
  });

  test(
    "moderation takes commands from moderators only, and a ban revokes the role [B1] [B2]",
    async (broker) => {
      const { moderation } = broker;
      const commands: readonly ModeratorCommand[] = [
        mute("ada"),
        ban("ada"),
        { type: "lift", id: 1 },
        { type: "sanctions" },
        { type: "neighbors", member: "ada" },
        { type: "sweep", member: "ada", seconds: 60 },
      ];
      const eve = { member: "eve", username: "Eve" };
      const forbidden: ModerationResult = { kind: "refused", code: "forbidden" };
      for (const command of commands) {
        assertEquals(await moderation.moderate(command, eve), forbidden);
      }
      assertEquals(await moderation.moderate(ban("mona"), mona), forbidden);
      await broker.append([from("ada", "a"), from("ada", "b")]);
      assertEquals(
        await kindsOf(broker, [
          deletion([1], { member: "eve" }),
          deletion([1], { member: "mona" }),
          edit(2, "x", { member: "mona" }),
        ]),
        ["forbidden", "stored", "forbidden"],
      );
      await moderation.appoint("eve");
      done(await moderation.moderate(ban("mona"), eve));
      assertEquals(await moderation.isModerator("mona"), false);
      assertEquals(await kindsOf(broker, [deletion([2], { member: "mona" })]), ["banned"]);
    },
  );

  test(
    "moderation bans a network with all its members, and newcomers from it [B6]",
    async (broker, wall) => {
      const network = "192.0.2.1";
      const claim = (member: string, from = network) => broker.claim(member, member, "tab", from);
      for (const member of ["troll1", "troll2", "regular", "visitor"]) await claim(member);
      await claim("faraway", "192.0.2.2");
      await broker.append([from("regular", "a"), from("troll1", "b")]);
      for (const member of ["regular", "visitor"]) await broker.release(member);
      wall.ms += 25 * hourMs;
      await broker.renewHolds();
      const banned = bannedIn(broker);
      const neighbors = async (member: string) =>
        done(await broker.moderation.moderate({ type: "neighbors", member }, mona)).others;
      // The regular was last seen more than a day ago; the trolls are present.
      assertEquals(
        [await neighbors("troll1"), await neighbors("faraway"), await neighbors("nobody")],
        [1, 0, undefined],
      );
      const command = ban("troll1", { network: true, seconds: 7_200 });
      assertEquals(done(await broker.moderation.moderate(command, mona)).changed?.others, 1);
      assertEquals(banned.sort(), ["troll1", "troll2"]);
      assertEquals(await claim("troll2"), { kind: "banned", retryAfter: 2 * hourMs });
      assertEquals(await claim("newcomer"), { kind: "banned", retryAfter: 2 * hourMs });
      assertEquals(await claim("newcomer", "192.0.2.3"), "newcomer");
      assertEquals(await claim("regular"), "regular");
      assertEquals(await claim("mona"), "mona");
      wall.ms += 2 * hourMs;
      assertEquals(await claim("later"), "later");
    },
  );

  test(
    "moderation protects the networks of present moderators [B6]",
    async (broker) => {
      await broker.claim("mona", "Mona", "tab", "192.0.2.1");
      await broker.claim("troll", "Troll", "tab", "192.0.2.1");
      await broker.claim("other", "Other", "tab", "198.51.100.1");
      await broker.claim("local", "Local", "tab");
      await broker.moderation.appoint("max");
      const max = { member: "max", username: "Max", network: "198.51.100.1" };
      const impose = (member: string) =>
        broker.moderation.moderate(ban(member, { network: true }), max);
      for (const member of ["troll", "other", "local"]) {
        assertEquals(await impose(member), { kind: "refused", code: "network_protected" }, member);
      }
      assertEquals(await broker.claim("troll", "Troll"), "Troll");
      await broker.append([from("mona", "a", { from: "Mona" })]);
      await broker.release("mona");
      done(await impose("troll"));
      assertEquals(await broker.claim("mona", "Mona", "tab", "192.0.2.1"), "Mona");
    },
  );

  test(
    "moderation sweeps all rooms, in steps that a restart resumes [B7]",
    async (broker, wall, restart) => {
      const write = (room: string, count: number, tag: string) =>
        broker.append(
          Array.from(
            { length: count },
            (_, i) => from(i % 2 === 0 ? "troll" : "ben", `${tag}${i}`, { room }),
          ),
        );
      await write("lobby", 4, "old");
      await write("quiet", 2, "old");
      wall.ms += 2 * hourMs;
      await write("lobby", 1_200, "new");
      await write("other", 2, "new");
      done(await broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
      const step = await broker.moderation.sweep();
      assert(step.hasMore && step.deleted > 0 && step.deleted < 601, JSON.stringify(step));
      broker = await restart();
      assertEquals(await kindsOf(broker, [from("troll", "more")]), ["banned"]);
      assertEquals(step.deleted + await sweepAll(broker), 601);
      assertEquals(await sweepAll(broker), 0);
      const lobby = await textsOf(broker);
      assertEquals(lobby.slice(0, 4), ["old0", "old1", "old2", "old3"]);
      assert(
        lobby.slice(4).every((text, i) => text === (i % 2 === 0 ? "deleted by mona" : `new${i}`)),
      );
      assertEquals(await textsOf(broker, "other"), ["deleted by mona", "new1"]);
      assertEquals(await textsOf(broker, "quiet"), ["old0", "old1"]);
      const { entries } = await broker.read("lobby", everything);
      const deletions = entries.filter(({ type }) => type === "delete");
      assert(deletions.length <= 4, `${deletions.length} entries`);
      assertEquals([deletions[0]?.member, deletions[0]?.from], ["mona", "Mona"]);
    },
  );

  test(
    "moderation forgets ended sanctions, networks after a day, and readers that left [B6] [B8]",
    async (broker, wall) => {
      const neighbors = async () =>
        done(await broker.moderation.moderate({ type: "neighbors", member: "ada" }, mona)).others;
      await broker.claim("ada", "Ada", "tab", "192.0.2.1");
      await broker.claim("ben", "Ben", "tab", "192.0.2.1");
      await broker.claim("reader", "Reader", "tab", "192.0.2.1");
      assertEquals(await neighbors(), 2);
      await broker.release("reader");
      assertEquals(await neighbors(), 1);
      await broker.append([from("ada", "a", { from: "Ada" }), from("ben", "b", { from: "Ben" })]);
      await broker.release("ben");
      assertEquals(await neighbors(), 1);
      await broker.moderation.moderate(mute("cleo"), mona);
      wall.ms += 24 * hourMs + 1;
      await broker.renewHolds();
      while (await broker.prune());
      assertEquals(await neighbors(), 0);
      const { sanctions } = done(await broker.moderation.moderate({ type: "sanctions" }, mona));
      assertEquals(sanctions, []);
    },
  );

  test(
    "claim() refuses newcomers while any ban of their network is in force [B6]",
    async (broker, wall) => {
      const claim = (member: string) => broker.claim(member, member, "tab", "192.0.2.1");
      for (const member of ["first", "second"]) await claim(member);
      await broker.append([from("first", "a"), from("second", "b")]);
      const impose = async (member: string, seconds: number) =>
        done(await broker.moderation.moderate(ban(member, { network: true, seconds }), mona));
      await impose("first", 60);
      wall.ms += 1_000;
      await impose("second", 3_600);
      wall.ms += 60_000;
      assertEquals(await claim("newcomer"), { kind: "banned", retryAfter: 3_540_000 });
      assertEquals(await claim("first"), { kind: "banned", retryAfter: 3_540_000 });
    },
  );

  test(
    "moderation replaces a ban of the network with one of the member [B8]",
    async (broker) => {
      const claim = (member: string) => broker.claim(member, member, "tab", "192.0.2.1");
      for (const member of ["troll", "other"]) await claim(member);
      const command = ban("troll", { network: true, seconds: 600 });
      done(await broker.moderation.moderate(command, mona));
      const { sanctions } = done(await broker.moderation.moderate(ban("troll"), mona));
      assertEquals(sanctions.map(({ member, others }) => [member, others]), [["troll", undefined]]);
      assertEquals([await claim("other"), await claim("newcomer")], ["other", "newcomer"]);
    },
  );

  test(
    "moderation frees the names of members whose ban was lifted [B4] [N8]",
    async (broker, wall) => {
      for (const member of ["ada", "ben"]) {
        await broker.claim(member, member, "tab", "192.0.2.1");
        await broker.append([from(member, "a")]);
      }
      const impose = async (member: string, more: object) =>
        done(await broker.moderation.moderate(ban(member, { seconds: 9e6, ...more }), mona))
          .changed?.id;
      const network = await impose("ada", { network: true });
      await impose("ben", { seconds: 8e6 });
      for (const member of ["ada", "ben"]) await broker.release(member);
      done(await broker.moderation.moderate({ type: "lift", id: network ?? 0 }, mona));
      assertEquals(await broker.claim("eve", "ada"), undefined);
      wall.ms += defaults.nameHoldMs;
      assertEquals(
        [await broker.claim("eve", "ada"), await broker.claim("eva", "ben")],
        ["ada", undefined],
      );
    },
  );

  test(
    "moderation bans the network of a member that had been connected for days [B6]",
    async (broker, wall) => {
      await broker.claim("ada", "Ada", "tab", "192.0.2.1");
      await broker.append([from("ada", "a")]);
      for (let hours = 0; hours < 48; hours++) {
        wall.ms += 3_600_000;
        await broker.renewHolds();
      }
      await broker.release("ada");
      wall.ms += 86_399_000;
      while (await broker.prune());
      done(await broker.moderation.moderate(ban("ada", { network: true }), mona));
      const banned = { kind: "banned", retryAfter: 60_000 } as const;
      assertEquals(await broker.claim("eve", "Eve", "tab", "192.0.2.1"), banned);
    },
  );

  test(
    "moderation reserves no name that another member has by now [B4] [N7]",
    async (broker, wall) => {
      await broker.claim("ada", "Ada");
      await broker.release("ada");
      // The hold of a member that wrote nothing.
      wall.ms += 600_000;
      assertEquals(await broker.claim("eve", "Ada"), "Ada");
      const { changed } = done(await broker.moderation.moderate(ban("ada"), mona));
      done(await broker.moderation.moderate({ type: "lift", id: changed?.id ?? 0 }, mona));
      assertEquals(await broker.claim("ada", "Ida"), "Ida");
    },
  );

  test(
    "append() deletes the text of titles, and the room's title if it is the current one [E4] [E5] [E6]",
    async (broker, _, restart) => {
      const byMona = (target: number) => deletion([target], { member: "mona", from: "mona" });
      const page = (of = broker) => of.read("lobby", everything);
      const titles = async (of = broker) =>
        (await page(of)).entries.flatMap((entry) =>
          entry.type === "title" ? [entry.text ?? `${entry.deletedBy}@${entry.amended}`] : []
        );
      await broker.append([from("ada", "a"), title("Rude", { from: "ada" }), title("Ruder")]);
      const drafts = [
        deletion([3], { member: "ben", from: "ben" }),
        edit(3, "x"),
        byMona(2),
        byMona(2),
        deletion([2], { nonce: "own" }),
      ];
      const expected = ["forbidden", "not_found", "stored", "repeat", "not_found"];
      assertEquals(await kindsOf(broker, drafts), expected);
      assertEquals([await titles(), (await page()).title], [["mona@4", "Ruder"], "Ruder"]);
      assertEquals((await page()).entries.at(-1)?.type === "delete", true);
      assertEquals(await kindsOf(broker, [deletion([1, 3])]), ["stored"]);
      const last = (await page()).entries.at(-1);
      assertEquals(last?.type === "delete" && [last.targets, last.untitled], [[1, 3], true]);
      assertEquals([await titles(), (await page()).title], [["mona@4", "ada@5"], undefined]);
      assertEquals((await broker.newestRooms(1))[0]?.title, undefined);
      // A title that the same batch has set.
      const batch = [title("Worse"), deletion([6]), title("Good"), byMona(2)];
      assertEquals(await kindsOf(broker, batch), ["stored", "stored", "stored", "repeat"]);
      const restarted = await restart();
      assertEquals(await titles(restarted), ["mona@4", "ada@5", "ada@7", "Good"]);
      assertEquals((await page(restarted)).title, "Good");
    },
  );

  test(
    "append() stores the removal of a title as a deletion of its entry [E5]",
    async (broker, _, restart) => {
      const remove = (nonce: string, locked?: true) =>
        title("", { member: "mona", nonce, ...(locked && { locked }) });
      await broker.append([from("ada", "a"), title("Old"), title("Rude")]);
      const drafts = [remove("1"), remove("1"), remove("2", true), title("Mine")];
      const expected = ["stored", "repeat", "stored", "title_locked"];
      assertEquals(await kindsOf(broker, drafts), expected);
      const { entries, title: present } = await (await restart()).read("lobby", everything);
      assertEquals(present, undefined);
      assertEquals(
        entries.map((entry) =>
          entry.type === "delete" ? [entry.targets, entry.untitled] : entry.text
        ),
        ["a", "Old", undefined, [[3], true], [[], true]],
      );
    },
  );

  test(
    "claim() admits a member that wrote before a ban of its network, however often it returns [B6]",
    async (broker, wall) => {
      const enter = (member: string) => broker.claim(member, member, undefined, "192.0.2.1");
      const visit = async (text: string) => {
        assertEquals(await enter("ada"), "ada");
        await broker.append([from("ada", text)]);
        await broker.release("ada");
        wall.ms += 25 * hourMs;
      };
      await visit("before");
      await enter("troll");
      const command = ban("troll", { network: true, seconds: 9e6 });
      done(await broker.moderation.moderate(command, mona));
      wall.ms += 1;
      await visit("after");
      await visit("again");
    },
  );

  test("claim() ends the hold that lifting a ban has started [B8] [N8]", async (broker) => {
    await broker.claim("ada", "Ada");
    const { changed } = done(await broker.moderation.moderate(ban("ada"), mona));
    done(await broker.moderation.moderate({ type: "lift", id: changed?.id ?? 0 }, mona));
    assertEquals(await broker.claim("ada", undefined), "Ada");
    await broker.release("ada", true);
    assertEquals(await broker.claim("eve", "Ada"), "Ada");
  });

  test("moderation continues the sweep of a moderator that was banned meanwhile [B7]", async (broker) => {
    await broker.append([from("troll", "a"), from("ada", "b")]);
    done(await broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    const operator = { member: "operator", username: "Operator", isOperator: true } as const;
    done(await broker.moderation.moderate(ban("mona"), operator));
    assertEquals(await sweepAll(broker), 1);
    assertEquals(await textsOf(broker), ["deleted by mona", "b"]);
  });

  test("append() stores the removal of an already deleted title without targets [E5]", async (broker) => {
    const remove = title("", { member: "mona", nonce: "r" });
    await broker.append([from("ada", "a"), title("Old"), deletion([2]), remove]);
    const last = (await broker.read("lobby", everything)).entries.at(-1);
    assertEquals(last?.type === "delete" && [last.targets, last.untitled], [[], true]);
  });

  test("moderation can sweep after the moderator has used similar nonces [B7] [M3]", async (broker) => {
    await broker.append([from("troll", "a"), from("ada", "b"), from("ada", "c")]);
    const nonces = ["sweep-1", "sweep_1", "sweep1", "1"];
    await broker.append(nonces.map((nonce) => from("mona", nonce, { nonce })));
    done(await broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    assertEquals(await sweepAll(broker), 1);
    assertEquals((await textsOf(broker))[0], "deleted by mona");
    const { entries } = await broker.read("lobby", everything);
    assertEquals(/^[\w-]+$/.test(entries.at(-1)?.nonce ?? ""), false);
  });

  test("moderation sweeps titles [B7]", async (broker, wall) => {
    await broker.append([from("troll", "a"), title("Fine", { member: "troll", nonce: "1" })]);
    wall.ms += 2 * hourMs;
    await broker.append([
      from("ada", "b"),
      title("Rude", { member: "troll", nonce: "2" }),
      title("Ours"),
      title("Rude again", { member: "troll", nonce: "3", room: "lobby" }),
    ]);
    done(await broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    assertEquals(await sweepAll(broker), 2);
    const { entries, title: present } = await broker.read("lobby", everything);
    assertEquals(present, undefined);
    const texts = entries.map((entry) => entry.type === "delete" ? entry.targets : entry.text);
    assertEquals(texts, ["a", "Fine", "b", undefined, "Ours", undefined, [4, 6]]);
  });

  test(
    "append() lets only moderators remove, lock and unlock a title [E5]",
    async (broker, _, restart) => {
      const byMona = (text: string, locked?: true) =>
        title(text, { member: "mona", nonce: `${text}${locked}`, ...(locked && { locked }) });
      const page = () => broker.read("lobby", everything);
      await broker.append([from("ada", "a"), title("News")]);
      const attempts = [title(""), title("Mine", { locked: true }), byMona("")];
      assertEquals(await kindsOf(broker, attempts), ["forbidden", "forbidden", "stored"]);
      const [summary] = await broker.newestRooms(1);
      assertEquals([(await page()).title, summary?.title], [undefined, undefined]);
      const drafts = [byMona("Rules", true), title("Mine"), title("", { nonce: "e" })];
      assertEquals(await kindsOf(broker, drafts), ["stored", "title_locked", "title_locked"]);
      const entry = (await page()).entries.at(-1);
      assertEquals(entry?.type === "title" && [entry.text, entry.locked], ["Rules", true]);
      broker = await restart();
      assertEquals((await page()).title, "Rules");
      assertEquals(await kindsOf(broker, [title("Mine")]), ["title_locked"]);
      assertEquals(await kindsOf(broker, [byMona("Open"), title("Mine")]), ["stored", "stored"]);
      assertEquals((await page()).title, "Mine");
    },
  );
}

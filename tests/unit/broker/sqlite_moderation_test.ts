import { assert, assertEquals, assertThrows } from "@std/assert";
import type { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SqliteBrokerOptions } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { Draft, ModerationResult, Moderator } from "../../../app/chat/broker.ts";
import type { ModeratorCommand } from "../../../app/protocol/wire.ts";
import { all, change, optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { defaults, draft } from "./broker_contract.ts";
import type { Wall } from "./broker_contract.ts";
import { deletion, edit, title } from "./entries_contract.ts";

const hourMs = 3_600_000;
const mona: Moderator = { member: "mona", username: "Mona", network: "198.51.100.1" };
const macOf = (code: string) => (member: string) => `${code} ${member}`;

function moderated(path: string, wall: Wall, code = "code"): SqliteBrokerOptions {
  return { ...optionsFor(path, wall), moderatorMac: macOf(code) };
}

/** Runs `use` with a broker in memory whose moderator is Mona, and its clock. */
function withModerator(use: (broker: SqliteBroker, wall: Wall) => void): void {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  withBroker(moderated(":memory:", wall), (broker) => {
    broker.moderation.appoint("mona");
    use(broker, wall);
  });
}

function from(member: string, text: string, more: object = {}): Draft {
  return draft(text, { member, from: member, ...more });
}

const mute = (member: string, seconds = 60): ModeratorCommand => ({
  type: "mute",
  member,
  seconds,
});
const ban = (member: string, more: object = {}): ModeratorCommand => ({
  type: "ban",
  member,
  seconds: 60,
  deleteMessages: false,
  network: false,
  ...more,
});

function done(result: ModerationResult | Promise<ModerationResult>) {
  if (result instanceof Promise || result.kind !== "done") throw new Error(JSON.stringify(result));
  return result;
}

function kindsOf(broker: SqliteBroker, drafts: readonly Draft[]): readonly string[] {
  return broker.append(drafts).map(({ kind }) => kind);
}

function sweepAll(broker: SqliteBroker): number {
  for (let deleted = 0;;) {
    const step = broker.moderation.sweep();
    if (step instanceof Promise) throw new Error("Cannot sweep: it waits");
    deleted += step.deleted;
    if (!step.hasMore) return deleted;
  }
}

function textsOf(broker: SqliteBroker, room = "lobby") {
  return broker.read(room, { ...all, limit: 10_000 }).entries.flatMap((entry) =>
    entry.type === "message" ? [entry.text ?? `deleted by ${entry.deletedBy}`] : []
  );
}

Deno.test("SqliteBroker.append() refuses a muted member's entries, but not deletions of its own [B3] [B5]", () =>
  withModerator((broker, wall) => {
    broker.append([from("ada", "a"), from("ben", "b")]);
    broker.moderation.moderate(mute("ada"), mona);
    wall.ms += 10_000;
    assertEquals(broker.append([from("ada", "c")]), [{ kind: "muted", retryAfter: 50_000 }]);
    assertEquals(
      kindsOf(broker, [
        from("ada", "a"),
        edit(1, "x"),
        title("News"),
        edit(2, "x"),
        deletion([1]),
        from("ben", "c"),
      ]),
      ["repeat", "muted", "muted", "muted", "stored", "stored"],
    );
    assertEquals(broker.moderation.mutedFor("ada"), 50_000);
    wall.ms += 50_000;
    assertEquals(kindsOf(broker, [from("ada", "d")]), ["stored"]);
  }));

Deno.test("SqliteBroker.append() looks for a repeat first, then for a ban, then at the author [B5]", () =>
  withModerator((broker) => {
    broker.append([from("ada", "a"), from("ben", "b")]);
    broker.moderation.moderate(ban("ada"), mona);
    assertEquals(
      kindsOf(broker, [from("ada", "a"), edit(2, "x"), deletion([1]), from("ben", "c")]),
      ["repeat", "banned", "banned", "stored"],
    );
  }));

Deno.test("SqliteBroker.claim() refuses a banned member, and nobody else gets its name [B4] [B8]", () =>
  withModerator((broker, wall) => {
    assertEquals(broker.claim("ada", "Ada"), "Ada");
    broker.moderation.moderate(ban("ada", { seconds: 3_600 }), mona);
    broker.release("ada", true);
    wall.ms += 1_800_000;
    broker.prune();
    assertEquals(broker.claim("ada", "Ada"), { kind: "banned", retryAfter: 1_800_000 });
    assertEquals(broker.claim("ben", "Ada"), undefined);
    wall.ms += 1_800_000;
    assertEquals(broker.claim("ben", "Ada"), "Ada");
    assertEquals(broker.claim("ada", "Ida"), "Ida");
  }));

Deno.test("SqliteBroker() keeps sanctions and moderators over a restart [B1] [B8]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    withBroker(moderated(path, wall), ({ moderation }) => {
      moderation.appoint("mona");
      moderation.moderate(ban("ada"), mona);
      moderation.moderate(mute("ben"), mona);
    });
    withBroker(moderated(path, wall), (broker) => {
      assertEquals(kindsOf(broker, [from("ada", "a"), from("ben", "b")]), ["banned", "muted"]);
      assertEquals(broker.claim("ada", "Ada"), { kind: "banned", retryAfter: 60_000 });
      const { sanctions } = done(broker.moderation.moderate({ type: "sanctions" }, mona));
      assertEquals(sanctions.map(({ kind, member, by }) => [kind, member, by]), [
        ["mute", "ben", "Mona"],
        ["ban", "ada", "Mona"],
      ]);
    });
    withBroker(moderated(path, wall, "another"), ({ moderation }) => {
      assertEquals(moderation.isModerator("mona"), false);
      assertEquals(moderation.moderate(mute("ada"), mona), { kind: "refused", code: "forbidden" });
      moderation.appoint("mona");
      assertEquals(moderation.isModerator("mona"), true);
    });
  }));

Deno.test("SqliteBroker.moderation imposes nothing if the commit fails [B8]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  let isLost = false;
  const check = () => {
    if (isLost) throw new Error("the lock is lost");
  };
  const lock = { check, lossReason: undefined };
  withBroker({ ...moderated(":memory:", wall), lock }, (broker) => {
    broker.moderation.appoint("mona");
    broker.moderation.moderate(ban("ada"), mona);
    isLost = true;
    const banned: string[] = [];
    broker.subscribe({
      entries: () => {},
      pruned: () => {},
      membersBanned: (members) => banned.push(...members),
    });
    assertThrows(() => broker.moderation.moderate(ban("ben"), mona), Error, "the lock is lost");
    isLost = false;
    assertEquals(banned, []);
    assertEquals(kindsOf(broker, [from("ada", "a"), from("ben", "b")]), ["banned", "stored"]);
  });
});

Deno.test("SqliteBroker.moderation lifts and replaces sanctions [B8]", () =>
  withModerator((broker) => {
    const { moderation } = broker;
    const first = done(moderation.moderate(mute("ada"), mona)).changed;
    const second = done(moderation.moderate(mute("ada", 600), mona));
    assertEquals(second.sanctions.map(({ id }) => id), [second.changed?.id]);
    assertEquals(moderation.mutedFor("ada"), 600_000);
    const lift = (id = 0) => moderation.moderate({ type: "lift", id }, mona);
    assertEquals(lift(first?.id), { kind: "refused", code: "not_found" });
    assertEquals(done(lift(second.changed?.id)).sanctions, []);
    assertEquals(kindsOf(broker, [from("ada", "a")]), ["stored"]);
  }));

Deno.test("SqliteBroker.moderation obeys moderators only, and a ban ends the role [B1] [B2]", () =>
  withModerator((broker) => {
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
    for (const command of commands) {
      assertEquals(moderation.moderate(command, eve), { kind: "refused", code: "forbidden" });
    }
    assertEquals(moderation.moderate(ban("mona"), mona), { kind: "refused", code: "forbidden" });
    broker.append([from("ada", "a"), from("ada", "b")]);
    assertEquals(
      kindsOf(broker, [
        deletion([1], { member: "eve" }),
        deletion([1], { member: "mona" }),
        edit(2, "x", { member: "mona" }),
      ]),
      ["forbidden", "stored", "forbidden"],
    );
    moderation.appoint("eve");
    done(moderation.moderate(ban("mona"), eve));
    assertEquals(moderation.isModerator("mona"), false);
    assertEquals(kindsOf(broker, [deletion([2], { member: "mona" })]), ["banned"]);
  }));

Deno.test("SqliteBroker.moderation bans a network with all its members, and newcomers from it [B6]", () =>
  withModerator((broker, wall) => {
    const network = "192.0.2.1";
    const claim = (member: string, from = network) => broker.claim(member, member, "tab", from);
    for (const member of ["troll1", "troll2", "regular", "visitor"]) claim(member);
    claim("faraway", "192.0.2.2");
    broker.append([from("regular", "a"), from("troll1", "b")]);
    for (const member of ["regular", "visitor"]) broker.release(member);
    wall.ms += 25 * hourMs;
    const banned: string[] = [];
    broker.subscribe({
      entries: () => {},
      pruned: () => {},
      membersBanned: (members) => banned.push(...members),
    });
    const neighbors = (member: string) =>
      done(broker.moderation.moderate({ type: "neighbors", member }, mona)).others;
    // The regular was last seen more than a day ago; the trolls are present.
    assertEquals([neighbors("troll1"), neighbors("faraway"), neighbors("nobody")], [
      1,
      0,
      undefined,
    ]);
    const order = ban("troll1", { network: true, seconds: 7_200 });
    assertEquals(done(broker.moderation.moderate(order, mona)).changed?.others, 1);
    assertEquals(banned, ["troll1", "troll2"]);
    assertEquals(claim("troll2"), { kind: "banned", retryAfter: 2 * hourMs });
    assertEquals(claim("newcomer"), { kind: "banned", retryAfter: 2 * hourMs });
    assertEquals(claim("newcomer", "192.0.2.3"), "newcomer");
    assertEquals(claim("regular"), "regular");
    assertEquals(claim("mona"), "mona");
    wall.ms += 2 * hourMs;
    assertEquals(claim("later"), "later");
  }));

Deno.test("SqliteBroker.moderation protects the networks of moderators who are present [B6]", () =>
  withModerator((broker) => {
    broker.claim("mona", "Mona", "tab", "192.0.2.1");
    broker.claim("troll", "Troll", "tab", "192.0.2.1");
    broker.claim("other", "Other", "tab", "198.51.100.1");
    broker.claim("local", "Local", "tab");
    broker.moderation.appoint("max");
    const max = { member: "max", username: "Max", network: "198.51.100.1" };
    const order = (member: string, by = max) =>
      broker.moderation.moderate(ban(member, { network: true }), by);
    for (const member of ["troll", "other", "local"]) {
      assertEquals(order(member), { kind: "refused", code: "network_protected" }, member);
    }
    assertEquals(broker.claim("troll", "Troll"), "Troll");
    broker.release("mona");
    done(order("troll"));
    assertEquals(broker.claim("mona", "Mona", "tab", "192.0.2.1"), "Mona");
  }));

Deno.test("SqliteBroker.moderation sweeps all rooms, in steps that a restart resumes [B7]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    const write = (broker: SqliteBroker, room: string, count: number, tag: string) =>
      broker.append(
        Array.from({ length: count }, (_, i) =>
          from(i % 2 === 0 ? "troll" : "ben", `${tag}${i}`, { room })),
      );
    withBroker(moderated(path, wall), (broker) => {
      broker.moderation.appoint("mona");
      write(broker, "lobby", 4, "old");
      write(broker, "quiet", 2, "old");
      wall.ms += 2 * hourMs;
      write(broker, "lobby", 1_200, "new");
      write(broker, "other", 2, "new");
      done(broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
      const step = broker.moderation.sweep();
      assert(!(step instanceof Promise) && step.hasMore && step.deleted > 0 && step.deleted < 601);
    });
    withBroker(moderated(path, wall), (broker) => {
      const drafts = kindsOf(broker, [from("troll", "more")]);
      assertEquals([drafts, sweepAll(broker) < 601], [["banned"], true]);
      assertEquals(sweepAll(broker), 0);
      const lobby = textsOf(broker);
      assertEquals(lobby.slice(0, 4), ["old0", "old1", "old2", "old3"]);
      assertEquals(
        new Set(lobby.slice(4).filter((_, i) => i % 2 === 0)),
        new Set(["deleted by mona"]),
      );
      assert(lobby.slice(4).every((text, i) => i % 2 === 0 || text === `new${i}`));
      assertEquals(textsOf(broker, "other"), ["deleted by mona", "new1"]);
      assertEquals(textsOf(broker, "quiet"), ["old0", "old1"]);
      const deletions = broker.read("lobby", { ...all, limit: 10_000 }).entries.filter(({ type }) =>
        type === "delete"
      );
      assert(deletions.length <= 4, `${deletions.length} entries`);
    });
  }));

Deno.test("SqliteBroker.moderation deletes for the operator, whatever the database's size [B7]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  withBroker({ ...optionsFor(":memory:", wall), maxDataBytes: 200_000 }, (broker) => {
    for (let i = 0; i < 100; i++) {
      wall.ms += 1_001;
      broker.append([from("troll", "x".repeat(4_000), { nonce: `n${i}` })]);
    }
    assertEquals(kindsOf(broker, [from("troll", "more")]), ["storage_full"]);
    const operator: Moderator = { member: "operator", username: "Operator", isOperator: true };
    broker.moderation.moderate({ type: "sweep", member: "troll", seconds: 3_600 }, operator);
    assert(sweepAll(broker) > 10);
    assertEquals(new Set(textsOf(broker)), new Set(["deleted by operator"]));
  });
});

Deno.test("SqliteBroker.prune() forgets ended sanctions, networks after a day, and readers who left [B6] [B8]", () =>
  withModerator((broker, wall) => {
    const neighbors = () =>
      done(broker.moderation.moderate({ type: "neighbors", member: "ada" }, mona)).others;
    broker.claim("ada", "Ada", "tab", "192.0.2.1");
    broker.claim("ben", "Ben", "tab", "192.0.2.1");
    broker.claim("reader", "Reader", "tab", "192.0.2.1");
    assertEquals(neighbors(), 2);
    broker.release("reader");
    assertEquals(neighbors(), 1);
    broker.append([from("ada", "a"), from("ben", "b")]);
    broker.release("ben");
    broker.moderation.moderate(mute("cleo"), mona);
    wall.ms += 24 * hourMs + 1;
    while (broker.prune());
    assertEquals(neighbors(), 0);
    assertEquals(done(broker.moderation.moderate({ type: "sanctions" }, mona)).sanctions, []);
  }));

Deno.test("SqliteBroker.claim() refuses newcomers while any ban of their network is in force [B6]", () =>
  withModerator((broker, wall) => {
    const claim = (member: string) => broker.claim(member, member, "tab", "192.0.2.1");
    for (const member of ["first", "second"]) claim(member);
    broker.append([from("first", "a"), from("second", "b")]);
    const order = (member: string, seconds: number) =>
      done(broker.moderation.moderate(ban(member, { network: true, seconds }), mona));
    order("first", 60);
    wall.ms += 1_000;
    order("second", 3_600);
    wall.ms += 60_000;
    assertEquals(claim("newcomer"), { kind: "banned", retryAfter: 3_540_000 });
    assertEquals(claim("first"), { kind: "banned", retryAfter: 3_540_000 });
  }));

Deno.test("SqliteBroker.moderation replaces a ban of the network with one of the member [B8]", () =>
  withModerator((broker) => {
    const claim = (member: string) => broker.claim(member, member, "tab", "192.0.2.1");
    for (const member of ["troll", "other"]) claim(member);
    done(broker.moderation.moderate(ban("troll", { network: true, seconds: 600 }), mona));
    const { sanctions } = done(broker.moderation.moderate(ban("troll"), mona));
    assertEquals(sanctions.map(({ member, others }) => [member, others]), [["troll", undefined]]);
    assertEquals([claim("other"), claim("newcomer")], ["other", "newcomer"]);
  }));

Deno.test("SqliteBroker.moderation frees the names of members whose ban was lifted [B4] [N8]", () =>
  withModerator((broker, wall) => {
    for (const member of ["ada", "ben"]) {
      broker.claim(member, member, "tab", "192.0.2.1");
      broker.append([from(member, "a")]);
    }
    const order = (member: string, more: object) =>
      done(broker.moderation.moderate(ban(member, { seconds: 9e6, ...more }), mona)).changed?.id;
    const network = order("ada", { network: true });
    order("ben", { seconds: 8e6 });
    for (const member of ["ada", "ben"]) broker.release(member);
    done(broker.moderation.moderate({ type: "lift", id: network ?? 0 }, mona));
    assertEquals(broker.claim("eve", "ada"), undefined);
    wall.ms += defaults.nameHoldMs;
    assertEquals([broker.claim("eve", "ada"), broker.claim("eva", "ben")], ["ada", undefined]);
  }));

Deno.test("SqliteBroker.moderation continues a sweep after the room it was in is removed [B7]", () =>
  withFile((path) => {
    const wall = { ms: Date.UTC(2026, 0, 1) };
    withBroker(moderated(path, wall), (broker) => {
      broker.moderation.appoint("mona");
      const drafts = Array.from(
        { length: 1_000 },
        (_, i) => from("troll", `a${i}`, { room: "big" }),
      );
      broker.append([...drafts, from("troll", "b", { room: "small" })]);
      done(broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
      broker.moderation.sweep();
    });
    change(path, "DELETE FROM entries WHERE room = 1; DELETE FROM rooms WHERE id = 1");
    withBroker(moderated(path, wall), (broker) => {
      sweepAll(broker);
      assertEquals(textsOf(broker, "small"), ["deleted by mona"]);
    });
  }));

Deno.test("SqliteBroker.moderation sweeps a busy indexed room in few steps [B7]", () => {
  const wall = { ms: Date.UTC(2026, 0, 1) };
  withBroker({ ...moderated(":memory:", wall), search: true }, (broker) => {
    broker.moderation.appoint("mona");
    broker.append(
      Array.from({ length: 2_000 }, (_, i) => from(i % 1_000 === 0 ? "troll" : "ben", `${i}`)),
    );
    while (broker.index());
    done(broker.moderation.moderate(ban("troll", { deleteMessages: true }), mona));
    let steps = 0;
    for (let hasMore = true; hasMore; steps++) {
      const step = broker.moderation.sweep();
      if (step instanceof Promise) throw new Error("Cannot sweep: it waits");
      hasMore = step.hasMore;
    }
    assertEquals(textsOf(broker).filter((text) => text === "deleted by mona").length, 2);
    assert(steps < 10, `${steps} steps`);
  });
});

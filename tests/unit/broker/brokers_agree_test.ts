// SqliteBroker and RedisBroker: the same random drafts and moderation have the same results.

import { assertEquals } from "@std/assert";
import type { Draft, Entry, Page } from "../../../app/chat/broker.ts";
import { RedisBroker } from "../../../app/broker/redis/redis_broker.ts";
import { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { ModeratorCommand } from "../../../app/protocol/wire.ts";
import { newest, redisOptions, testWithRedis } from "../../support/broker_node.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { optionsFor } from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";
import { macOf, sweepAll } from "./moderation_contract.ts";

const moderatorMac = macOf("code");
const members = ["ada", "ben", "mona", "max"];
const rooms = ["lobby", "other"];

/** Returns a random draft. Most of its targets exist. */
function randomDraft(random: SeededRandom, nonce: string): Draft {
  const member = random.pick(members) ?? "";
  const fields = { room: random.pick(rooms) ?? "", member, from: member, nonce };
  const text = `text ${nonce}`;
  const target = 1 + random.below(40);
  switch (random.below(8)) {
    case 0:
    case 1:
      return { type: "message", ...fields, text };
    case 2:
      return { type: "edit", ...fields, target, text };
    case 3:
      return { type: "delete", ...fields, targets: [target] };
    case 4: {
      const targets = Array.from({ length: 1 + random.below(5) }, () => 1 + random.below(40));
      return {
        type: "delete",
        ...fields,
        targets,
        ...(random.isTrue(0.5) && { isModerator: true }),
      };
    }
    default: {
      const titleText = random.isTrue(0.3) ? "" : text;
      return {
        type: "title",
        ...fields,
        text: titleText,
        ...(random.isTrue(0.1) && { locked: true }),
      };
    }
  }
}

function randomCommand(random: SeededRandom): ModeratorCommand {
  const [member, seconds] = [random.pick(members) ?? "", 1 + random.below(60)];
  switch (random.below(4)) {
    case 0:
      return { type: "mute", member, seconds };
    case 1: {
      const deleteMessages = random.isTrue(0.5);
      return { type: "ban", member, seconds, deleteMessages, network: false };
    }
    case 2:
      return { type: "sweep", member, seconds };
    default:
      return { type: "lift", id: 1 + random.below(20) };
  }
}

/** Removes the values that differ between any two logs. */
function comparable({ entries, head, title, first }: Page) {
  const without = ({ epoch: _, ...entry }: Entry) => entry;
  return { entries: entries.map(without), head: head.offset, title, first };
}

testWithRedis(
  "agrees with SqliteBroker on random drafts and moderation [E3] [E4] [E5] [B8]",
  async (redis) => {
    for (let seed = 1; seed <= 12; seed++) {
      const random = new SeededRandom(seed);
      const wall = { ms: Date.UTC(2026, 0, 1) };
      const settings = { retentionMessages: random.isTrue(0.5) ? 3 : 0 };
      const one = new SqliteBroker({ ...optionsFor(":memory:", wall, settings), moderatorMac });
      await redis.cli("FLUSHALL");
      const more = { ...settings, now: () => wall.ms, moderatorMac };
      const other = await RedisBroker.open(redisOptions(redis.url, more));
      const both = async <T>(act: (broker: SqliteBroker | RedisBroker) => T | Promise<T>) => {
        // As JSON, absent and undefined fields are the same.
        const [expected, actual] = [await act(one), await act(other)]
          .map((result) => JSON.parse(JSON.stringify(result ?? null)));
        assertEquals(actual, expected, `seed ${seed}`);
      };
      const moderators = ["mona", "max"];
      // Again after each command, since a ban ends the role.
      const appoint = async () => {
        for (const member of moderators) await both(({ moderation }) => moderation.appoint(member));
      };
      await appoint();
      let nonces = 0;
      for (let step = 0; step < 60; step++) {
        wall.ms += random.below(5_000);
        const kind = random.below(10);
        if (kind < 8) {
          const drafts = Array.from({ length: 1 + random.below(4) }, () => {
            const isRepeat = random.isTrue(0.1);
            return randomDraft(random, `n${isRepeat ? random.below(nonces + 1) : ++nonces}`);
          });
          await both((broker) => broker.append(drafts));
        } else if (kind === 8) {
          const command = randomCommand(random);
          const member = random.pick(moderators) ?? "";
          await both(({ moderation }) =>
            moderation.moderate(command, { member, username: member })
          );
          await both((broker) => sweepAll(broker));
          await appoint();
        } else {
          for (const broker of [one, other]) while (await broker.prune());
        }
        for (const room of rooms) {
          await both(async (broker) => comparable(await broker.read(room, newest)));
        }
      }
      // A title whose entry is gone.
      const fields = { room: "lobby", member: "mona", from: "mona" } as const;
      const messages = ["a", "b", "c", "d"].map((text) => draft(text, { ...fields, nonce: text }));
      const titled = { type: "title", ...fields, text: "Last", nonce: "last" } as const;
      await both((broker) =>
        broker.append([
          ...messages,
          titled,
          ...messages.map((message) => ({
            ...message,
            nonce: `${message.nonce}2`,
          })),
        ])
      );
      for (const broker of [one, other]) while (await broker.prune());
      await both((broker) => broker.append([{ ...titled, text: "", nonce: "untitle" }]));
      await both(async (broker) => comparable(await broker.read("lobby", newest)));
      one.close();
      await other.close();
    }
  },
);

// The parts that RedisBroker is made of, each alone and without a Redis.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Feed, takeUndelivered } from "../../../app/broker/redis/feed.ts";
import type { FeedEvent } from "../../../app/broker/redis/feed.ts";
import { RedisNode } from "../../../app/broker/redis/node.ts";
import { LocalPresence, RemotePresence } from "../../../app/broker/redis/presence.ts";
import { ReconnectingLink } from "../../../app/broker/redis/reconnecting_link.ts";
import type { Link, StoredEvent } from "../../../app/broker/redis/redis_link.ts";
import type { Entry } from "../../../app/chat/broker.ts";
import type { Position } from "../../../app/protocol/wire.ts";
import { redisOptions } from "../../support/broker_node.ts";
import { draft } from "./broker_contract.ts";

/** A link whose feed is given in batches; it is lost at their end. */
class FakeLink implements Link {
  readonly name = "link";
  isOpen = true;
  reason: Error | undefined;
  readonly #lost = Promise.withResolvers<Error>();
  readonly #batches: (readonly StoredEvent[])[];

  constructor(...batches: (readonly StoredEvent[])[]) {
    this.#batches = batches;
  }

  get lost(): Promise<Error> {
    return this.#lost.promise;
  }

  run(): Promise<never> {
    return Promise.reject(new Error("not part of these tests"));
  }

  async *rooms(): AsyncGenerator<readonly string[]> {}

  readFeed(): Promise<readonly StoredEvent[]> {
    const batch = this.#batches.shift();
    return batch === undefined ? Promise.reject(new Error("the end")) : Promise.resolve(batch);
  }

  publishTyping(): void {}

  lose(error: Error): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.reason = error;
    this.#lost.resolve(error);
  }

  close(): void {
    this.lose(new Error("closed"));
  }
}

function storedEvent(id: number, after: number, first: number): StoredEvent {
  return { id, after, json: JSON.stringify({ kind: "pruned", room: "lobby", first }) };
}

function entryAt(offset: number): Entry {
  return { ...draft(`m${offset}`), offset, epoch: "e", at: 0 };
}

/** Resolves once the pending microtasks have run. */
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await undefined;
}

Deno.test("Feed.follow() hands over events in order, and loses the link at a gap", async () => {
  const events: FeedEvent[] = [];
  const onEvent = (event: FeedEvent) => events.push(event);
  const feed = new Feed({ timeoutMs: 1, later: () => () => {}, onEvent });
  const link = new FakeLink(
    [storedEvent(5, 3, 1), storedEvent(9, 5, 2)],
    [storedEvent(12, 10, 3)],
  );
  feed.startAt(3);
  const reached = feed.reached(9);
  await feed.follow(link);
  await reached;
  assertEquals(events.map((event) => event.kind === "pruned" && event.first), [1, 2]);
  assertEquals(link.reason?.message, "the feed has a gap");
});

Deno.test("Feed.reached() rejects on a timeout, and when it is interrupted", async () => {
  const timeouts: (() => void)[] = [];
  const later = (_: number, task: () => void) => {
    timeouts.push(task);
    return () => {};
  };
  const feed = new Feed({ timeoutMs: 1, later, onEvent: () => {} });
  const late = assertRejects(() => feed.reached(1), Error, "the feed did not arrive in time");
  const interrupted = assertRejects(() => feed.reached(2), Error, "lost");
  timeouts[0]?.();
  feed.interrupt(new Error("lost"));
  await Promise.all([late, interrupted]);
  feed.startAt(3);
  await feed.reached(3);
});

Deno.test("takeUndelivered() drops entries that a page already contained", () => {
  const delivered = new Map<string, Position>();
  const take = (...offsets: readonly number[]) =>
    takeUndelivered(delivered, offsets.map(entryAt)).map(({ offset }) => offset);
  assertEquals(take(1), [1]);
  assertEquals(delivered.size, 0);
  delivered.set("lobby", { epoch: "e", offset: 2 });
  assertEquals(take(2, 3, 4), [3, 4]);
  assertEquals(delivered.get("lobby"), { epoch: "e", offset: 4 });
});

Deno.test("LocalPresence.resume() publishes the difference from the presence in Redis", () => {
  const presence = new LocalPresence(() => {});
  presence.join("lobby", "ada", "Ada");
  presence.join("lobby", "ben", "Ben");
  presence.takeChanges();
  presence.pause();
  presence.leave("lobby", "ben", "quit");
  presence.join("other", "ada", "Ada");
  assertEquals(presence.takeChanges(), []);
  presence.resume([["lobby", "ada", "Ada"], ["lobby", "ben", "Ben"]]);
  assertEquals(presence.takeChanges(), [
    { kind: "joined", room: "other", member: "ada", username: "Ada" },
    { kind: "left", room: "lobby", member: "ben", reason: "timeout" },
  ]);
  assertEquals(presence.takeChanges(), []);
});

Deno.test("RemotePresence.reconcile() reports that a member left before another has its name", () => {
  const reports: string[] = [];
  const presence = new RemotePresence(() => ({
    entries: () => {},
    pruned: () => {},
    memberJoined: (room, { member, username }) =>
      reports.push(`${member} joined ${room} as ${username}`),
    memberLeft: (room, { member }, reason) => reports.push(`${member} left ${room}: ${reason}`),
    memberRenamed: (member, username) => reports.push(`${member} renamed to ${username}`),
  }));
  presence.apply("a", [
    { kind: "joined", room: "lobby", member: "ada", username: "Ada" },
    { kind: "joined", room: "lobby", member: "ben", username: "Ben" },
  ]);
  presence.apply("b", [{ kind: "joined", room: "lobby", member: "ben", username: "Ben" }]);
  reports.length = 0;
  presence.reconcile({ b: [["lobby", "ben", "Ada"], ["lobby", "cy", "Ben"]] });
  assertEquals(reports, [
    "ada left lobby: timeout",
    "ben renamed to Ada",
    "cy joined lobby as Ben",
  ]);
  presence.removeNode("b");
  assertEquals(reports.slice(3), ["ben left lobby: timeout", "cy left lobby: timeout"]);
  assertEquals(presence.membersOf("lobby"), []);
});

Deno.test("RedisNode.renewLease() doesn't wait for late replies, and stops once its link is lost", async () => {
  const timers: (() => void)[] = [];
  const later = (_: number, task: () => void) => {
    timers.push(task);
    return () => void timers.splice(timers.indexOf(task));
  };
  const renew = () => timers.shift()?.();
  const { report, random } = redisOptions("");
  const none = () => {};
  const catchUp = () => Promise.resolve();
  const replies: (() => void)[] = [];
  class LeasedLink extends FakeLink {
    override run(): Promise<never> {
      return new Promise((resolve) =>
        // Only the fields that a renewal reads.
        replies.push(() => resolve({ epoch: "", hasSweep: true } as never))
      );
    }
  }
  const link = new LeasedLink();
  const connect = () => Promise.resolve(link);
  const node = new RedisNode(
    redisOptions("", { later }),
    new ReconnectingLink({ connect, catchUp, onOpen: none, onLost: none, report, later, random }),
  );
  let sweeps = 0;
  node.renewLease(link, () => sweeps++);
  renew();
  renew();
  replies.shift()?.();
  await settled();
  assertEquals([timers.length, sweeps, replies.length], [1, 1, 1]);
  link.lose(new Error("reset by peer"));
  replies.shift()?.();
  await settled();
  assertEquals([timers.length, sweeps], [0, 2]);
});

Deno.test("ReconnectingLink backs off, and reports each outage and its end once", async () => {
  const reports: string[] = [];
  const delays: number[] = [];
  let retry = () => {};
  let isRedisUp = true;
  const links: FakeLink[] = [];
  const link = new ReconnectingLink({
    connect: () => {
      if (!isRedisUp) return Promise.reject(new Error("refused"));
      const opened = new FakeLink();
      links.push(opened);
      return Promise.resolve(opened);
    },
    catchUp: () => Promise.resolve(),
    onOpen: () => {},
    onLost: () => {},
    report: (event) => reports.push(event),
    later: (ms, task) => {
      delays.push(ms);
      retry = task;
      return () => {};
    },
    random: () => 1,
  });
  await link.connect();
  isRedisUp = false;
  links[0]?.lose(new Error("reset by peer"));
  await settled();
  assertThrows(() => link.require(), Error, "Cannot reach Redis");
  for (let i = 0; i < 6; i++) {
    retry();
    await settled();
  }
  assertEquals(delays, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
  assertEquals(reports, ["storage_failed"]);
  isRedisUp = true;
  retry();
  await settled();
  assertEquals(link.current, links[1]);
  assertEquals(reports, ["storage_failed", "storage_recovered"]);
  await link.close();
});

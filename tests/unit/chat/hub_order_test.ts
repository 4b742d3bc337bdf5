// What a hub owes to order and to others while answers are on their way: on a broker that answers at once, and on one that does
// not.

import { assertEquals } from "@std/assert";
import { Bench, FakeSocket, MemoryBroker, peerAddress, token } from "../../support/hub_harness.ts";
import type { Peer } from "../../support/hub_harness.ts";
import type { Page, ReadQuery } from "../../../app/chat/broker.ts";
import type { Push } from "../../../app/protocol/wire.ts";

const modes = [["at once", false], ["later", true]] as const;

/** Pushes in short: who did what. */
function told(pushes: readonly Push[]): string[] {
  return pushes.map((push) => {
    switch (push.type) {
      case "message":
        return `${push.from}: ${push.text}`;
      case "left":
        return `${push.username} left`;
      case "renamed":
        return `${push.from} is ${push.to}`;
      case "error":
        return push.code;
      default:
        return push.type;
    }
  });
}

/** What Ben is told when Ada writes and does something else in the same turn. */
async function hears(async: boolean, next: (ada: Peer, bench: Bench) => void): Promise<string[]> {
  const bench = new Bench();
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ben.frames();
  bench.broker.async = async;
  for (const text of ["one", "two"]) {
    ada.put({ type: "message", room: "lobby", text, nonce: text });
  }
  next(ada, bench);
  await bench.settle();
  return told(ben.pushes());
}

for (const [when, async] of modes) {
  const said = ["Ada: one", "Ada: two"];

  Deno.test(`ChatHub lets nobody leave a room before what they wrote is there, answered ${when} [P9]`, async () => {
    const pushes = await hears(async, (ada) => {
      ada.put({ type: "leave", room: "lobby" });
      ada.put({ type: "message", room: "lobby", text: "three", nonce: "three" });
    });
    assertEquals(pushes, [...said, "Ada left"]);
  });

  Deno.test(`ChatHub lets nobody have another name before what they wrote is there, answered ${when} [P9]`, async () => {
    const pushes = await hears(async, (ada) => {
      ada.put({ type: "rename", username: "Lovelace" });
      ada.put({ type: "message", room: "lobby", text: "three", nonce: "three" });
    });
    assertEquals(pushes, [...said, "Ada is Lovelace", "Lovelace: three"]);
  });

  Deno.test(`ChatHub lets nobody go before what they wrote is there, answered ${when} [C6]`, async () => {
    assertEquals(await hears(async, (ada) => ada.drop(1000)), [...said, "Ada left"]);
  });

  Deno.test(`ChatHub lets people go whose messages cannot be stored, answered ${when} [C6] [M9]`, async () => {
    const pushes = await hears(async, (ada, { broker }) => {
      broker.failing = true;
      ada.drop(1000);
    });
    assertEquals(pushes, ["Ada left"]);
  });
}

Deno.test("ChatHub reads a session's pages of history one after the other, and no more than 20 wait [L3]", async () => {
  let [reads, readsMost, readsInAll] = [0, 0, 0];
  const broker = new class extends MemoryBroker {
    override async read(room: string, query: ReadQuery): Promise<Page> {
      readsInAll++;
      readsMost = Math.max(readsMost, ++reads);
      try {
        return await super.read(room, query);
      } finally {
        reads--;
      }
    }
  }();
  const bench = new Bench({ ratePerSecond: 0 }, broker);
  broker.fill("lobby", 300);
  broker.async = true;
  const ada = bench.connect();
  ada.hello("Ada");
  await bench.settle();
  ada.frames();
  const ask = (count: number) => {
    for (let i = 0; i < count; i++) ada.put({ type: "history", room: "lobby", before: 200 + i });
  };
  ask(22);
  await bench.settle();
  const pushes = ada.pushes();
  const ends = pushes.flatMap((push) =>
    push.type === "history" ? [push.messages.at(-1)?.offset] : []
  );
  assertEquals(told(pushes).slice(0, 2), ["rate_limited", "rate_limited"]);
  assertEquals(ends, Array.from({ length: 20 }, (_, i) => 199 + i));
  assertEquals(readsMost, 1);
  broker.failing = true;
  ask(2);
  await bench.settle();
  assertEquals(told(ada.pushes()), ["storage_unavailable", "storage_unavailable"]);
  // For somebody who went nothing more is read.
  readsInAll = 0;
  ask(3);
  ada.drop();
  await bench.settle();
  assertEquals(readsInAll, 1);
});

Deno.test("ChatHub lets people write whose neighbour reads too much [L3] [L2]", () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 300, "x".repeat(4_000));
  const ada = bench.enter("Ada");
  const ben = bench.enter("Ben");
  ada.frames();
  const ask = () => told(ada.send({ type: "history", room: "lobby", before: 300, limit: 100 }));
  while (ask()[0] === "history");
  assertEquals(ask(), ["rate_limited"]);
  ben.frames();
  assertEquals(told(ben.say("all the same")), ["Ben: all the same"]);
  // A room that is not there yet stays for ever, and is asked for by the same address.
  assertEquals(told(ben.send({ type: "join", room: "new" })), ["rate_limited"]);
});

Deno.test("ChatHub counts what waits for a reader in bytes before it closes it [C5]", () => {
  const bench = new Bench({ ratePerSecond: 0 });
  bench.broker.fill("lobby", 300, "x".repeat(4_000));
  const ada = bench.enter("Ada");
  const page = () => ada.send({ type: "history", room: "lobby", before: 300, limit: 60 });
  ada.socket.buffered = 300_000;
  for (let i = 0; i < 4; i++) assertEquals(told(page()), ["history"]);
  assertEquals(ada.socket.closed, undefined);
  ada.socket.buffered = 900_000;
  page();
  assertEquals(ada.socket.closed?.code, 4101);
});

/** A broker that says which rooms it was told to forget. */
class ForgetfulBroker extends MemoryBroker {
  readonly forgotten: string[] = [];

  forget(room: string): void {
    this.forgotten.push(room);
  }
}

Deno.test("ChatHub has the broker forget a room that nobody is in, also while it is read", async () => {
  const broker = new ForgetfulBroker();
  const bench = new Bench({}, broker);
  const ada = bench.enter("Ada", ["lobby", "design"]);
  ada.send({ type: "leave", room: "design" });
  assertEquals(broker.forgotten, ["design"]);
  broker.async = true;
  ada.send({ type: "join", room: "design" });
  ada.send({ type: "leave", room: "design" });
  assertEquals(broker.forgotten, ["design"]);
  await bench.settle();
  assertEquals(broker.forgotten, ["design", "design"]);
  assertEquals(bench.hub.size.rooms, 1);
});

Deno.test("ChatHub shows nothing that was removed while the log was read [R11]", async () => {
  const bench = new Bench();
  bench.broker.fill("lobby", 20);
  bench.broker.async = true;
  const ada = bench.connect();
  ada.put({ type: "hello", username: "Ada", token: token("Ada"), rooms: [{ room: "lobby" }] });
  // As far as the read, and not yet as far as its answer.
  while (ada.socket.frames.length === 0) {
    await Promise.resolve();
    bench.time.settle();
  }
  await Promise.resolve();
  bench.broker.keepFrom("lobby", 15);
  await bench.settle();
  const [push] = ada.pushes().filter(({ type }) => type === "room");
  if (push?.type !== "room") throw new Error("there is no room push");
  assertEquals([push.first, push.messages.map(({ offset }) => offset)], [15, [
    15,
    16,
    17,
    18,
    19,
    20,
  ]]);
});

Deno.test("ChatHub answers each join of a room that cannot be read", () => {
  const bench = new Bench();
  const ada = bench.enter("Ada", []);
  bench.broker.failing = true;
  for (let i = 0; i < 2; i++) ada.put({ type: "join", room: "lobby" });
  assertEquals(told(ada.pushes()), ["storage_unavailable", "storage_unavailable"]);
});

Deno.test("ChatHub cuts the type of a command that there is not between letters [P4]", () => {
  const bench = new Bench();
  const socket = new FakeSocket();
  const session = bench.hub.connect(socket, peerAddress("192.0.2.1"));
  bench.hub.receive(session, JSON.stringify({ type: `${"x".repeat(31)}\u{1f600}` }));
  bench.time.settle();
  assertEquals(socket.frames.length, 1);
  assertEquals(JSON.parse(socket.frames[0] ?? "")[0].re.isWellFormed(), true);
});

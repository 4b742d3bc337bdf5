import { assertEquals } from "@std/assert";
import type { BrokerListener, Cluster, RemoteMember } from "../../../app/chat/broker.ts";
import { Bench, MemoryBroker, only, token } from "../../support/hub_harness.ts";
import type { Peer } from "../../support/hub_harness.ts";

/** A broker whose other nodes are the test. */
class SharedBroker extends MemoryBroker {
  /** What the other nodes were told. */
  told: string[] = [];
  elsewhere: RemoteMember[] = [];
  hub: BrokerListener | undefined;

  readonly cluster: Cluster = {
    join: (room, member, username) => this.told.push(`${member} ${username} enters ${room}`),
    leave: (room, member, reason) => this.told.push(`${member} leaves ${room}: ${reason}`),
    typing: (room, member) => this.told.push(`${member} types in ${room}`),
    remoteMembers: () => this.elsewhere,
  };

  override subscribe(listener: BrokerListener): void {
    super.subscribe(listener);
    this.hub = listener;
  }

  came(username: string, room = "lobby"): void {
    this.hub?.memberJoined?.(room, { member: `id-${username}`, username });
  }

  went(username: string, room = "lobby"): void {
    this.hub?.memberLeft?.(room, { member: `id-${username}`, username }, "timeout");
  }
}

/** A hub, past the time in which `joined` is quiet, and one member whose pushes are looked at. */
function start(): { bench: Bench; broker: SharedBroker; ada: Peer } {
  const broker = new SharedBroker();
  const bench = new Bench({}, broker);
  bench.time.pass(31_000);
  const ada = bench.enter("Ada");
  broker.told = [];
  return { bench, broker, ada };
}

/** What a peer was told of members, in short. */
function news(peer: Peer): string[] {
  return peer.pushes().map((push) => {
    switch (push.type) {
      case "joined":
      case "left":
        return `${push.type} ${push.username}`;
      case "renamed":
        return `renamed ${push.from} ${push.to}`;
      case "typing":
        return `typing ${push.usernames.join(" ")}`;
      default:
        return push.type;
    }
  });
}

Deno.test("ChatHub shows members of other nodes, in the list and as they come and go [N10] [R10]", () => {
  const { bench, broker, ada } = start();
  broker.came("Ben");
  broker.came("Cy", "design");
  assertEquals(news(ada), ["joined Ben"]);
  broker.elsewhere = [{ member: "id-Ben", username: "Ben" }];
  const dee = bench.connect();
  const room = only(dee.hello("Dee", ["design"]), "room");
  assertEquals([room.count, room.members], [2, [
    { member: "id-Ben", username: "Ben" },
    { member: "id-Dee", username: "Dee" },
  ]]);
  broker.went("Ben");
  broker.went("Ben");
  assertEquals(news(ada), ["left Ben"]);
  assertEquals(bench.hub.here("lobby", 9), { count: 1, usernames: ["Ada"] });
});

Deno.test("ChatHub takes a member on two nodes for one [N6] [N10]", () => {
  const { bench, broker, ada } = start();
  broker.came("Ben");
  const ben = bench.enter("Ben");
  assertEquals(news(ada), ["joined Ben"]);
  assertEquals(bench.hub.here("lobby", 9).count, 2);
  broker.went("Ben");
  assertEquals(news(ada), []);
  broker.came("Ben");
  ben.drop(1000);
  assertEquals(news(ada), []);
  broker.went("Ben");
  assertEquals(news(ada), ["left Ben"]);
});

Deno.test("ChatHub makes no noise about who comes back by way of another node within the grace [N10]", () => {
  const { bench, broker, ada } = start();
  const ben = bench.enter("Ben");
  ada.frames();
  ben.drop();
  bench.time.pass(5_000);
  broker.came("Ben");
  bench.time.pass(20_000);
  assertEquals(news(ada).filter((type) => type !== "typing"), []);
  assertEquals(broker.told, ["id-Ben Ben enters lobby", "id-Ben leaves lobby: timeout"]);
  assertEquals(bench.broker.released, ["id-Ben"]);
});

Deno.test("ChatHub tells the other nodes who comes and goes, once for each member [N10]", () => {
  const { bench, broker, ada } = start();
  const tabs = [bench.enter("Ben", ["lobby"], { tab: "a" }), bench.enter("Ben", ["lobby", "b"])];
  tabs[0]?.send({ type: "leave", room: "lobby" });
  ada.drop();
  bench.time.pass(9_000);
  bench.enter("Ada");
  tabs[1]?.drop(1000);
  assertEquals(broker.told, [
    "id-Ben Ben enters lobby",
    "id-Ben Ben enters b",
    "id-Ben leaves lobby: quit",
    "id-Ben leaves b: quit",
  ]);
});

Deno.test("ChatHub closes the connection of a tab that has come to another node [N9]", () => {
  const { bench, broker, ada } = start();
  const ben = bench.enter("Ben", ["lobby"], { tab: "one" });
  const other = bench.enter("Ben", ["lobby"], { tab: "two" });
  ada.frames();
  broker.hub?.tabMoved?.("id-Ben", "one");
  broker.hub?.tabMoved?.("id-Nobody", "two");
  assertEquals([ben.socket.closed?.code, other.socket.closed], [4005, undefined]);
  assertEquals(news(ada), []);
});

Deno.test("ChatHub tells of a rename once, wherever it was asked for [N11]", () => {
  const { bench, broker, ada } = start();
  const ben = bench.enter("Ben");
  broker.came("Ben");
  broker.came("Cy");
  ada.frames();
  ben.frames();
  broker.hub?.memberRenamed?.("id-Ben", "Bo");
  broker.hub?.memberRenamed?.("id-Cy", "Cyd");
  broker.hub?.memberRenamed?.("id-Nobody", "No");
  assertEquals(news(ada), ["renamed Ben Bo", "renamed Cy Cyd"]);
  assertEquals(news(ben), ["you", "renamed Ben Bo", "renamed Cy Cyd"]);
  broker.hub?.memberRenamed?.("id-Ben", "Bo");
  assertEquals([...news(ada), ...news(ben)], []);
  ben.say("hi");
  assertEquals(broker.log("lobby")[0]?.from, "Bo");
  // The answer comes when another rename has been told of: what was told last counts.
  assertEquals(only(ben.send({ type: "rename", username: "Late" }), "you").username, "Bo");
  assertEquals(news(ada), ["message"]);
});

Deno.test("ChatHub shows who types on another node, until their message comes [M10]", () => {
  const { bench, broker, ada } = start();
  broker.came("Ben");
  ada.frames();
  broker.hub?.memberTyping?.("lobby", "id-Ben");
  broker.hub?.memberTyping?.("lobby", "id-Ben");
  broker.hub?.memberTyping?.("lobby", "id-Nobody");
  assertEquals(news(ada), ["typing Ben"]);
  void broker.append([{ room: "lobby", member: "id-Ben", from: "Ben", text: "x", nonce: "n" }]);
  assertEquals(news(ada), ["message"]);
  const cy = bench.enter("Cy");
  cy.send({ type: "typing", room: "lobby" });
  assertEquals(news(ada), ["joined Cy", "typing Cy"]);
  assertEquals(broker.told.at(-1), "id-Cy types in lobby");
});

Deno.test("ChatHub counts the members of all nodes for a crowd [N12]", () => {
  const { bench, broker, ada } = start();
  for (let i = 0; i < 500; i++) broker.came(`M${i}`);
  bench.time.pass(1_000);
  assertEquals(
    new Set(news(ada)),
    new Set([...Array(499).keys()].map((i) => `joined M${i}`).concat("count")),
  );
  for (let i = 0; i < 102; i++) broker.went(`M${i}`);
  assertEquals(only(ada.pushes(), "count").members?.length, 399);
});

Deno.test("ChatHub sends everybody away when the log has forked, and holds nothing back [C7]", async () => {
  const { bench, broker, ada } = start();
  const ben = bench.enter("Ben");
  const late = bench.connect();
  broker.async = true;
  ada.put({ type: "message", room: "lobby", text: "never", nonce: "n1" });
  broker.told = [];
  broker.hub?.reset?.();
  await bench.settle();
  for (const { socket } of [ada, ben, late]) {
    assertEquals(socket.closed, { code: 1012, reason: "1000" });
  }
  assertEquals([broker.told, broker.log("lobby"), broker.released], [[], [], []]);
  bench.time.pass(60_000);
  assertEquals(bench.hub.size, { sessions: 0, members: 0, rooms: 0, graces: 0, rates: 0 });
});

Deno.test("ChatHub says nothing of those who come back after it had sent all away [N10]", async () => {
  const { bench, broker } = start();
  broker.hub?.reset?.();
  const ada = bench.enter("Ada");
  const ben = bench.connect();
  ben.put({ type: "hello", username: "Ben", token: token("Ben"), rooms: [{ room: "lobby" }] });
  await bench.settle();
  broker.came("Cy");
  const quiet = ada.pushes().flatMap((push) => push.type === "joined" ? [push.quiet] : []);
  assertEquals(quiet, [true, true]);
});

// The hub of one node of several: members of other nodes, and the announcements between nodes.

import { assert, assertEquals } from "@std/assert";
import type { BrokerListener, Cluster } from "../../../app/chat/broker.ts";
import type { MemberInfo } from "../../../app/protocol/wire.ts";
import { helloOf, only, range, TestChat } from "../../support/hub_harness.ts";
import type { TestClient } from "../../support/hub_harness.ts";
import { MemoryBroker } from "../../support/memory_broker.ts";

/** A broker whose other nodes are simulated by the test. */
class ClusterBroker extends MemoryBroker {
  /** The announcements of this node to the others. */
  announced: string[] = [];
  remote: MemberInfo[] = [];
  hub: BrokerListener | undefined;

  readonly cluster: Cluster = {
    join: (room, member, username) => this.announced.push(`${member} ${username} joins ${room}`),
    leave: (room, member, reason) => this.announced.push(`${member} leaves ${room}: ${reason}`),
    typing: (room, member) => this.announced.push(`${member} types in ${room}`),
    remoteMembers: () => this.remote,
  };

  override subscribe(listener: BrokerListener): void {
    super.subscribe(listener);
    this.hub = listener;
  }

  /** Makes a member join a room on another node. */
  joinRemotely(username: string, room = "lobby"): void {
    this.hub?.memberJoined?.(room, { member: `id-${username}`, username });
  }

  /** Makes a member leave a room on all other nodes. */
  leaveRemotely(username: string, room = "lobby"): void {
    this.hub?.memberLeft?.(room, { member: `id-${username}`, username }, "timeout");
  }
}

/** Starts a chat, past the time of quiet arrivals, with one member. */
function start(): { chat: TestChat; broker: ClusterBroker; ada: TestClient } {
  const broker = new ClusterBroker();
  const chat = new TestChat({}, broker);
  chat.time.advance(31_000);
  const ada = chat.enter("Ada");
  broker.announced = [];
  return { chat, broker, ada };
}

/** Returns the pushes that a client was sent, as short texts. */
function news(client: TestClient): string[] {
  return client.pushes().map((push) => {
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

Deno.test("LogReader.join() waits for the entries of other nodes up to the client's position [R3] [R4]", () => {
  const { chat, broker } = start();
  broker.fill("lobby", 5);
  const join = (username: string, offset: number) =>
    chat.connect().hello(username, [{ room: "lobby", epoch: "epoch1", offset }]);
  const resumed = chat.connect();
  assertEquals(
    resumed.hello("Ben", [{ room: "lobby", epoch: "epoch1", offset: 4 }]).map(({ type }) => type),
    ["welcome"],
  );
  assertEquals(only(join("Cem", 6), "room").recovered, false);
  const page = broker.read("lobby", { before: Infinity, limit: 100, maxBytes: 100_000 });
  assert(!(page instanceof Promise));
  broker.hub?.entries(page.entries);
  chat.time.settle();
  const room = only(resumed.pushes(), "room");
  assertEquals(
    [room.recovered, room.missed, room.messages.map(({ offset }) => offset)],
    [true, undefined, [5]],
  );
});

Deno.test("ChatHub lists remote members, and announces their arrivals and departures [N10] [R10]", () => {
  const { chat, broker, ada } = start();
  broker.joinRemotely("Ben");
  broker.joinRemotely("Cy", "design");
  assertEquals(news(ada), ["joined Ben"]);
  broker.remote = [{ member: "id-Ben", username: "Ben" }];
  const dee = chat.connect();
  const room = only(dee.hello("Dee", ["design"]), "room");
  assertEquals([room.count, room.members], [2, [
    { member: "id-Ben", username: "Ben" },
    { member: "id-Dee", username: "Dee" },
  ]]);
  broker.leaveRemotely("Ben");
  broker.leaveRemotely("Ben");
  assertEquals(news(ada), ["left Ben"]);
  assertEquals(chat.hub.membersOf("lobby", 9), { count: 1, usernames: ["Ada"] });
});

Deno.test("ChatHub counts a member on two nodes once [N6] [N10]", () => {
  const { chat, broker, ada } = start();
  broker.joinRemotely("Ben");
  const ben = chat.enter("Ben");
  assertEquals(news(ada), ["joined Ben"]);
  assertEquals(chat.hub.membersOf("lobby", 9).count, 2);
  broker.leaveRemotely("Ben");
  assertEquals(news(ada), []);
  broker.joinRemotely("Ben");
  ben.drop(1000);
  assertEquals(news(ada), []);
  broker.leaveRemotely("Ben");
  assertEquals(news(ada), ["left Ben"]);
});

Deno.test("ChatHub announces nothing when a member returns through another node within the grace [N10]", () => {
  const { chat, broker, ada } = start();
  const ben = chat.enter("Ben");
  ada.frames();
  ben.drop();
  chat.time.advance(5_000);
  broker.joinRemotely("Ben");
  chat.time.advance(20_000);
  assertEquals(news(ada).filter((type) => type !== "typing"), []);
  assertEquals(broker.announced, ["id-Ben Ben joins lobby", "id-Ben leaves lobby: timeout"]);
  assertEquals(chat.broker.released, ["id-Ben"]);
});

Deno.test("ChatHub announces each member's arrival and departure once to other nodes [N10]", () => {
  const { chat, broker, ada } = start();
  const tabs = [chat.enter("Ben", ["lobby"], { tab: "a" }), chat.enter("Ben", ["lobby", "b"])];
  tabs[0]?.send({ type: "leave", room: "lobby" });
  ada.drop();
  chat.time.advance(9_000);
  chat.enter("Ada");
  tabs[1]?.drop(1000);
  assertEquals(broker.announced, [
    "id-Ben Ben joins lobby",
    "id-Ben Ben joins b",
    "id-Ben leaves lobby: quit",
    "id-Ben leaves b: quit",
  ]);
});

Deno.test("ChatHub closes the session of a tab that has moved to another node [N9]", () => {
  const { chat, broker, ada } = start();
  const ben = chat.enter("Ben", ["lobby"], { tab: "one" });
  const other = chat.enter("Ben", ["lobby"], { tab: "two" });
  ada.frames();
  broker.hub?.tabMoved?.("id-Ben", "one");
  broker.hub?.tabMoved?.("id-Nobody", "two");
  assertEquals([ben.socket.closed?.code, other.socket.closed], [4005, undefined]);
  assertEquals(news(ada), []);
});

Deno.test("ChatHub abandons the rename of a session that another node has replaced [N9]", () => {
  const { chat, broker } = start();
  const ben = chat.enter("Ben", ["lobby"], { tab: "one" });
  const wanted: (boolean | undefined)[] = [];
  broker.rename = (_member, _username, isWanted) => {
    wanted.push(isWanted?.());
    broker.hub?.tabMoved?.("id-Ben", "one");
    wanted.push(isWanted?.());
    return false;
  };
  ben.send({ type: "rename", username: "Bo" });
  assertEquals(wanted, [true, false]);
  assertEquals(ben.socket.closed?.code, 4005);
});

Deno.test("ChatHub announces a rename once, whichever node it was requested on [N11]", () => {
  const { chat, broker, ada } = start();
  const ben = chat.enter("Ben");
  broker.joinRemotely("Ben");
  broker.joinRemotely("Cy");
  ada.frames();
  ben.frames();
  broker.hub?.memberRenamed?.("id-Ben", "Bo");
  broker.hub?.memberRenamed?.("id-Cy", "Cyd");
  broker.hub?.memberRenamed?.("id-Nobody", "No");
  assertEquals(news(ada), ["renamed Ben Bo", "renamed Cy Cyd"]);
  assertEquals(news(ben), ["you", "renamed Ben Bo", "renamed Cy Cyd"]);
  broker.hub?.memberRenamed?.("id-Ben", "Bo");
  assertEquals([...news(ada), ...news(ben)], []);
  ben.sendMessage("hi");
  assertEquals(broker.log("lobby")[0]?.from, "Bo");
  // Another rename was announced before the broker replied: the last one announced counts.
  assertEquals(only(ben.send({ type: "rename", username: "Late" }), "you").username, "Bo");
  assertEquals(news(ada), ["message"]);
});

Deno.test("ChatHub pushes that remote members are typing until their message arrives [M10]", () => {
  const { chat, broker, ada } = start();
  broker.joinRemotely("Ben");
  ada.frames();
  broker.hub?.memberTyping?.("lobby", "id-Ben");
  broker.hub?.memberTyping?.("lobby", "id-Ben");
  broker.hub?.memberTyping?.("lobby", "id-Nobody");
  assertEquals(news(ada), ["typing Ben"]);
  void broker.append([{
    type: "message",
    room: "lobby",
    member: "id-Ben",
    from: "Ben",
    text: "x",
    nonce: "n",
  }]);
  assertEquals(news(ada), ["message"]);
  const cy = chat.enter("Cy");
  cy.send({ type: "typing", room: "lobby" });
  assertEquals(news(ada), ["joined Cy", "typing Cy"]);
  assertEquals(broker.announced.at(-1), "id-Cy types in lobby");
});

Deno.test("ChatHub includes remote members when a room gets crowded [N12]", () => {
  const { chat, broker, ada } = start();
  for (let i = 0; i < 500; i++) broker.joinRemotely(`M${i}`);
  chat.time.advance(1_000);
  assertEquals(
    new Set(news(ada)),
    new Set([...range(0, 498).map((i) => `joined M${i}`), "count"]),
  );
  for (let i = 0; i < 102; i++) broker.leaveRemotely(`M${i}`);
  assertEquals(only(ada.pushes(), "count").members?.length, 399);
});

Deno.test("ChatHub closes all sessions and forgets everything when the log has forked [C7]", async () => {
  const { chat, broker, ada } = start();
  const ben = chat.enter("Ben");
  const late = chat.connect();
  broker.isAsync = true;
  ada.put({ type: "message", room: "lobby", text: "never", nonce: "n1" });
  broker.announced = [];
  broker.hub?.reset?.();
  await chat.settle();
  for (const { socket } of [ada, ben, late]) {
    assertEquals(socket.closed, { code: 1012, reason: "1000" });
  }
  // The graces of the forgotten members would have ended by now.
  chat.time.advance(30_000);
  assertEquals([broker.announced, broker.log("lobby"), broker.released], [[], [], []]);
  // The share of a new room comes back slowly.
  chat.time.advance(600_000);
  assertEquals(chat.hub.size, { sessions: 0, members: 0, rooms: 0, graces: 0, rates: 0 });
});

Deno.test("ChatHub.drain() ends even if the log has forked while a rename was waiting [C7]", async () => {
  const { chat, broker, ada } = start();
  const ben = chat.enter("Ben");
  broker.isAsync = true;
  ben.sendMessage("being stored");
  ada.put({ type: "message", room: "lobby", text: "never", nonce: "n1" });
  ada.put({ type: "rename", username: "Ida" });
  broker.hub?.reset?.();
  await chat.hub.drain();
  assertEquals(chat.hub.size.sessions, 0);
});

Deno.test("ChatHub marks arrivals as quiet after the log has forked [N10]", async () => {
  const { chat, broker } = start();
  broker.hub?.reset?.();
  const ada = chat.enter("Ada");
  const ben = chat.connect();
  ben.put(helloOf("Ben"));
  await chat.settle();
  broker.joinRemotely("Cy");
  const quiet = ada.pushes().flatMap((push) => push.type === "joined" ? [push.quiet] : []);
  assertEquals(quiet, [true, true]);
});

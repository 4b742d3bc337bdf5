// Dialing, backoff and timeouts of the page's connection, through a chat client.

import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { lobby, message, offsets, Page } from "../../support/page_harness.ts";

Deno.test("Connection replies to a heartbeat [P8]", () => {
  const page = new Page().signIn();
  page.socket.take();
  page.socket.push();
  assertEquals(page.socket.take(), [{ type: "pong" }]);
});

Deno.test("Connection reconnects on every code but 1000 and 4000 to 4099 [C1]", () => {
  for (const code of [1001, 1006, 1009, 1011, 1012, 1013, 4100, 4101, 4102, 4103]) {
    const page = new Page().signIn();
    page.socket.events.onClose(code, "");
    assertEquals(page.chat.status.kind, "backoff", String(code));
    page.time.advance(130_000);
    assert(page.sockets.length > 1);
  }
  for (const code of [1000, 4000, 4005, 4099]) {
    const page = new Page().signIn();
    page.socket.events.onClose(code, "");
    page.time.advance(130_000);
    assertEquals([page.chat.status.kind, page.sockets.length], ["ended", 1]);
  }
});

Deno.test("Connection backs off from 0.5 s to 20 s, longer each time and at random [C2]", () => {
  const page = new Page().signIn();
  for (const chance of [0, 0.99]) {
    page.chance = chance;
    for (let i = 0; i < 12; i++) {
      const lostAt = page.time.now();
      page.socket.events.onClose(1006, "");
      const { status } = page.chat;
      if (status.kind !== "backoff") throw new Error(status.kind);
      assertGreaterOrEqual(status.retryAt - lostAt, 500);
      assertLessOrEqual(status.retryAt - lostAt, 20_000);
      page.time.advance(status.retryAt - lostAt);
    }
  }
});

Deno.test("Connection resets its backoff after 10 s without a loss [C2]", () => {
  const page = new Page().signIn();
  page.chance = 0.99;
  const delayAfter = (ms: number) => {
    page.accept();
    page.time.advance(ms);
    const lostAt = page.time.now();
    page.socket.events.onClose(1006, "");
    const { status } = page.chat;
    return status.kind === "backoff" ? status.retryAt - lostAt : Infinity;
  };
  for (let i = 0; i < 8; i++) {
    page.socket.events.onClose(1006, "");
    page.time.advance(20_000);
  }
  assertGreaterOrEqual(delayAfter(9_999), 10_000);
  page.time.advance(20_000);
  assertLessOrEqual(delayAfter(10_000), 1_000);
});

Deno.test("Connection skips the backoff on a check or a manual retry [C2]", () => {
  for (const verb of ["check", "retryNow"] as const) {
    const page = new Page().signIn();
    page.socket.events.onClose(1006, "");
    page.chat.connection[verb]();
    assertEquals([page.chat.status.kind, page.sockets.length], ["connecting", 2]);
  }
});

Deno.test("Connection spreads its reconnect over the time that a restarting server gives [C7]", () => {
  const page = new Page().signIn();
  page.chance = 0.5;
  page.socket.events.onClose(1012, "8000");
  page.time.advance(3_999);
  assertEquals(page.sockets.length, 1);
  page.time.advance(1);
  assertEquals(page.sockets.length, 2);
  page.accept().socket.events.onClose(1012, "86400000");
  page.time.advance(60_000);
  assertEquals(page.sockets.length, 3);
});

Deno.test("Connection probes why a handshake was refused [C9]", () => {
  const page = new Page();
  page.problem = { code: "address_full", message: "Too many connections" };
  page.chat.openRoom("lobby");
  page.chat.signIn({ username: "Ada", token: "t".repeat(43) });
  page.socket.events.onClose(1006, "");
  const { status } = page.chat;
  assertEquals([page.probes, status.kind === "backoff" && status.problem], [
    1,
    page.problem,
  ]);
  page.chat.connection.retryNow();
  page.accept().socket.events.onClose(1006, "");
  assertEquals(page.probes, 1);
});

Deno.test("ChatClient.problem says after a reconnect why the connection was closed", () => {
  for (const [code, expected] of [[4101, "slow_consumer"], [4102, "flooding"]] as const) {
    const page = new Page().signIn();
    page.socket.events.onClose(code, "");
    assertEquals(page.chat.problem, undefined);
    page.chat.connection.retryNow();
    page.socket.events.onClose(1006, "");
    page.chat.connection.retryNow();
    page.accept();
    assertEquals(page.chat.problem?.code, expected);
    page.chat.send("lobby", "one");
    assertEquals(page.chat.problem, undefined);
    page.socket.events.onClose(1006, "");
    page.chat.connection.retryNow();
    page.accept();
    assertEquals(page.chat.problem, undefined);
  }
});

Deno.test("Connection drops a server that is silent for the announced timeout [C4]", () => {
  const page = new Page().signIn();
  for (let i = 0; i < 4; i++) {
    page.time.advance(25_000);
    page.socket.push();
  }
  assertEquals(page.sockets.length, 1);
  page.time.advance(61_000);
  assertEquals(page.sockets[0]?.closed?.code, 4103);
  assert(page.sockets.length > 1);
});

Deno.test("Connection dials again if a check gets no reply within 3 s [C4] [P11]", () => {
  const page = new Page().signIn();
  page.time.advance(1_000);
  page.chat.connection.check();
  page.chat.connection.check();
  assertEquals(page.socket.take(), [{ type: "ping" }]);
  page.time.advance(2_999);
  assertEquals(page.sockets.length, 1);
  page.time.advance(1);
  assertEquals([page.sockets[0]?.closed?.code, page.sockets.length], [4103, 2]);
  // The dial may hang in the same dead network.
  page.chat.connection.check();
  page.time.advance(3_000);
  assertEquals(page.sockets.length, 3);
  page.time.advance(20_000);
  assertEquals(page.chat.status.kind, "backoff");
});

Deno.test("Connection stays open while pings get replies, and pings again on each check [C4]", () => {
  const page = new Page().signIn();
  for (let i = 0; i < 30; i++) {
    page.chat.connection.check();
    page.time.advance(2_500);
    page.socket.push();
    page.time.advance(10_000);
  }
  const pings = page.socket.take().filter(({ type }) => type === "ping");
  assertEquals([pings.length, page.sockets.length], [30, 1]);
});

Deno.test("Connection pings if a command gets no reply within 1.5 s, and dials 3 s later [C4]", () => {
  const page = new Page().signIn();
  page.time.advance(1_000);
  page.chat.send("lobby", "one");
  page.time.advance(1_499);
  page.chat.loadHistory(lobby(page), 1, () => {});
  assertEquals(page.socket.take().map(({ type }) => type), ["message", "history"]);
  page.time.advance(1);
  assertEquals(page.socket.take(), [{ type: "ping" }]);
  page.time.advance(2_999);
  assertEquals(page.sockets.length, 1);
  page.time.advance(1);
  assertEquals([page.sockets[0]?.closed?.code, page.sockets.length], [4103, 2]);
});

Deno.test("Connection doesn't ping after a reply, or after a command that needs none [C4]", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.time.advance(1_000);
  page.socket.push(message(1));
  page.time.advance(1_000);
  page.chat.sendTyping("lobby");
  page.socket.push();
  page.time.advance(50_000);
  assertEquals(page.socket.take().map(({ type }) => type), ["message", "typing", "pong"]);
  assertEquals(page.sockets.length, 1);
});

Deno.test("Connection.abort() does nothing without a connection", () => {
  const page = new Page().signIn();
  page.chat.signOut();
  page.chat.connection.abort("invalid push");
  assertEquals([page.chat.status.kind, page.time.timers], ["idle", 0]);
});

Deno.test("Connection ignores the events of a dropped socket", () => {
  const page = new Page().signIn();
  const old = page.socket;
  page.time.advance(60_000);
  page.time.advance(20_000);
  old.events.onFrame(JSON.stringify([message(1)]));
  old.events.onClose(4005, "");
  assertEquals(offsets(page), []);
  assert(page.chat.status.kind !== "ended");
});

Deno.test("Connection leaves no timer behind after a loss except the backoff", () => {
  const page = new Page().signIn();
  page.chat.send("lobby", "one");
  page.socket.push({ type: "typing", room: "lobby", usernames: ["Ben"] });
  page.socket.events.onClose(1006, "");
  assertEquals(page.time.timers, 1);
});

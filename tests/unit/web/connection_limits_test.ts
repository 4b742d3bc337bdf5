// Limits on connections.

import { assertEquals } from "@std/assert";
import { ConnectionLimits } from "../../../app/web/connection_limits.ts";
import { peerAddress } from "../../../app/web/peer.ts";

/** Limits on a clock that the test moves. */
function createLimits(maxConnections = 100, maxConnectionsPerIp = 2) {
  const clock = { now: 0 };
  const limits = new ConnectionLimits(
    { maxConnections, maxConnectionsPerIp },
    () => clock.now,
  );
  return { clock, limits };
}

const publicPeer = peerAddress("192.0.2.1");
const privatePeer = peerAddress("10.0.0.1");
const localPeer = peerAddress("127.0.0.1");

Deno.test("ConnectionLimits counts a socket from its upgrade, before it opens [L7]", () => {
  const { limits } = createLimits();
  const [first, second] = [limits.add(publicPeer), limits.add(publicPeer)];
  assertEquals(limits.reached(publicPeer)?.code, "address_full");
  assertEquals(limits.reached(peerAddress("192.0.2.2")), undefined);
  limits.release(first);
  assertEquals(limits.reached(publicPeer), undefined);
  assertEquals(limits.hasUnopened(publicPeer), true);
  limits.release(second);
  assertEquals(limits.hasUnopened(publicPeer), false);
});

Deno.test("ConnectionLimits keeps counting sockets that never open, but only against their address", () => {
  const { clock, limits } = createLimits(2);
  limits.add(publicPeer);
  limits.add(publicPeer);
  const other = peerAddress("192.0.2.2");
  assertEquals(limits.reached(other)?.code, "server_full");
  clock.now = 10_000;
  assertEquals(limits.reached(other), undefined);
  assertEquals(limits.reached(publicPeer)?.code, "address_full");
  assertEquals([limits.count, limits.leaked], [0, 2]);
  clock.now = 3_600_000;
  assertEquals(limits.reached(publicPeer), undefined);
  assertEquals(limits.leaked, 2);
});

Deno.test("ConnectionLimits gives an IPv6 /48 as many connections as 32 addresses [L7]", () => {
  const { limits } = createLimits(1_000);
  const peer = (i: number) => peerAddress(`2001:db8:1:${i.toString(16)}::1`);
  const slots = Array.from({ length: 64 }, (_, i) => limits.add(peer(i)));
  assertEquals(limits.reached(peer(64))?.code, "address_full");
  assertEquals(limits.reached(peerAddress("2001:db8:2::1")), undefined);
  assertEquals(limits.reached(peerAddress("192.0.2.1")), undefined);
  for (const slot of slots) limits.release(slot);
  assertEquals(limits.reached(peer(64)), undefined);
});

Deno.test("ConnectionLimits counts a socket that opens late until it closes", () => {
  const { clock, limits } = createLimits();
  const slot = limits.add(publicPeer);
  clock.now = 11_000;
  assertEquals([limits.count, limits.leaked], [0, 1]);
  limits.opened(slot);
  clock.now += 3_600_000;
  assertEquals([limits.count, limits.countOf(publicPeer)], [0, 1]);
});

Deno.test("ConnectionLimits counts a socket that ignores a close only against its address", () => {
  const { clock, limits } = createLimits(2);
  const slots = [limits.add(publicPeer), limits.add(publicPeer)];
  for (const slot of slots) {
    limits.opened(slot);
    limits.closing(slot);
  }
  const other = peerAddress("192.0.2.2");
  clock.now = 9_999;
  assertEquals(limits.reached(other)?.code, "server_full");
  // Closing it again grants it no more time.
  for (const slot of slots) limits.closing(slot);
  clock.now = 10_000;
  assertEquals(limits.reached(other), undefined);
  assertEquals(limits.reached(publicPeer)?.code, "address_full");
  for (const slot of slots) limits.release(slot);
  assertEquals(limits.reached(publicPeer), undefined);
  assertEquals([limits.count, limits.leaked], [0, 0]);
});

Deno.test("ConnectionLimits allows a private address more connections than a public one", () => {
  const { limits } = createLimits(1_000);
  for (let i = 0; i < 64; i++) {
    assertEquals(limits.reached(privatePeer), undefined, String(i));
    limits.add(privatePeer);
  }
  assertEquals(limits.reached(privatePeer)?.code, "address_full");
});

Deno.test("ConnectionLimits bounds this machine's sockets that never open, not its open ones", () => {
  const { limits } = createLimits(0);
  for (let i = 0; i < 2_000; i++) limits.opened(limits.add(localPeer));
  for (let i = 0; i < 1_024; i++) {
    assertEquals(limits.reached(localPeer), undefined, String(i));
    limits.add(localPeer);
  }
  assertEquals(limits.reached(localPeer)?.code, "address_full");
});

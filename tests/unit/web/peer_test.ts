// Client addresses and their networks.

import { assertEquals } from "@std/assert";
import {
  addressNetwork,
  addressScope,
  clientAddress,
  isBannable,
  isPrivateNetwork,
  isUnspecified,
  normalizeAddress,
  peerAddress,
} from "../../../app/web/peer.ts";

Deno.test("normalizeAddress() returns one form per address, and undefined for anything else", () => {
  for (
    const [text, expected] of [
      ["192.0.2.7", "192.0.2.7"],
      ["::ffff:192.0.2.7", "192.0.2.7"],
      ["::FFFF:c000:207", "192.0.2.7"],
      ["2001:DB8:0:0::1", "2001:db8::1"],
      ["fe80::1%eth0", "fe80::1"],
      ["::1", "::1"],
      ["256.1.1.1", undefined],
      ["010.1.1.1", undefined],
      ["unknown", undefined],
      ["", undefined],
      ["1", undefined],
      ["::1]/x[", undefined],
      ["12:34", undefined],
    ] as const
  ) assertEquals(normalizeAddress(text), expected, text);
});

Deno.test("addressNetwork() groups IPv6 by /64 and keeps IPv4", () => {
  assertEquals(addressNetwork("192.0.2.7"), "192.0.2.7");
  const household = addressNetwork("2001:db8:0:7:1:2:3:4");
  assertEquals(addressNetwork("2001:db8:0:7::1"), household);
  assertEquals(addressNetwork("2001:db8:0:8::1") === household, false);
  assertEquals(addressNetwork("2001:db8::1") === addressNetwork("2001:db8:1::1"), false);
  assertEquals(addressNetwork("::1"), "0:0:0:0::/64");
});

Deno.test("addressScope() tells loopback and private networks from public ones", () => {
  for (
    const [scope, addresses] of [
      ["loopback", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]],
      ["private", [
        "10.0.0.1",
        "172.31.255.1",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "fd00::1",
      ]],
      ["public", ["172.32.0.1", "1.127.0.1", "100.128.0.1", "2001:db8::1", "::2", "localhost"]],
    ] as const
  ) {
    for (const address of addresses) assertEquals(addressScope(address), scope, address);
  }
});

Deno.test("peerAddress() treats no peer as loopback behind a trusted proxy", () => {
  assertEquals(peerAddress("127.0.0.1").scope, "loopback");
  assertEquals(peerAddress("127.0.0.1", 1).scope, "private");
  assertEquals(peerAddress("203.0.113.5", 1).scope, "public");
});

Deno.test("clientAddress() trusts as many proxies as configured, and no more", () => {
  const list = { "x-forwarded-for": "198.51.100.66, 203.0.113.5, 10.0.0.2" };
  for (
    const [trustProxy, headers, expected] of [
      [0, list, "10.0.0.1"],
      [1, list, "10.0.0.2"],
      [2, list, "203.0.113.5"],
      [3, list, "198.51.100.66"],
      [9, list, "198.51.100.66"],
      [1, {}, "10.0.0.1"],
      [1, { "x-forwarded-for": "unknown" }, "unknown"],
      [1, { "x-forwarded-for": "" }, "unknown"],
      [1, { "x-forwarded-for": "unix:" }, "unknown"],
      [1, { "x-forwarded-for": "192.0.2.1:4711" }, "192.0.2.1"],
      [1, { "x-forwarded-for": "[2001:db8::1]:4711" }, "2001:db8::1"],
      [1, { forwarded: `for=192.0.2.1, for="[2001:db8::1]:80";proto=https` }, "2001:db8::1"],
      [2, { forwarded: "proto=https; For=192.0.2.1;by=10.0.0.1, for=10.0.0.2" }, "192.0.2.1"],
      [1, { forwarded: "for=_hidden" }, "unknown"],
      [2, { "x-forwarded-for": `192.0.2.1${" ".repeat(4_096)}, 10.0.0.2` }, "unknown"],
      [1, { forwarded: `${",".repeat(5_000)}for=192.0.2.1` }, "192.0.2.1"],
      [1, { forwarded: "proto=https" }, "unknown"],
    ] as const
  ) {
    const address = clientAddress("::ffff:10.0.0.1", new Headers({ ...headers }), trustProxy);
    assertEquals(address, expected, `${trustProxy} ${JSON.stringify(headers)}`);
  }
});

Deno.test("isUnspecified() returns true for the peer of a connection that was reset", () => {
  assertEquals(["0.0.0.0", "::", "127.0.0.1", "::1"].map(isUnspecified), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("isBannable() is true for addresses of clients, not of this machine or proxies [B6]", () => {
  const headersOf = (entries?: string) =>
    new Headers(entries === undefined ? {} : { "x-forwarded-for": entries });
  const check = (trustProxy: number, peer: string, entries?: string) => {
    const headers = headersOf(entries);
    return isBannable(clientAddress(peer, headers, trustProxy), peer, headers, trustProxy);
  };
  assertEquals([check(0, "192.0.2.1"), check(0, "10.0.0.1"), check(0, "2001:db8::1")], [
    true,
    true,
    true,
  ]);
  assertEquals([check(0, "127.0.0.1"), check(0, "::1")], [false, false]);
  assertEquals([check(0, "127.0.0.1", "192.0.2.1"), check(0, "192.0.2.1", "::1")], [false, true]);
  // Behind a proxy.
  assertEquals([check(1, "10.0.0.9", "192.0.2.1"), check(1, "127.0.0.1", "192.0.2.1")], [
    true,
    true,
  ]);
  for (const entries of [undefined, "unknown", "127.0.0.1", "10.0.0.9"]) {
    assertEquals(check(1, "10.0.0.9", entries), false, entries);
  }
  assertEquals([check(2, "10.0.0.9", "192.0.2.1"), check(2, "10.0.0.9", "192.0.2.1, 10.0.0.8")], [
    false,
    true,
  ]);
});

Deno.test("isPrivateNetwork() is true for networks of addresses that are not public", () => {
  const isPrivate = (address: string) => isPrivateNetwork(addressNetwork(address));
  const local = ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "fe80::1"];
  assertEquals(local.map(isPrivate), local.map(() => true));
  assertEquals(["192.0.2.1", "2001:db8::1"].map(isPrivate), [false, false]);
});

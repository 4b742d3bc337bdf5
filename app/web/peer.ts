// Client addresses: reading them from trusted proxies, normalizing and grouping them.

import { BlockList, isIP } from "node:net";
import type { PeerAddress } from "../chat/session.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/**
 * Returns the client's address: the peer's, or the one reported by the outermost of `trustProxy`
 * proxies. Entries further left are written by the client and ignored. Falls back to the peer's
 * address if the entry is not an address.
 */
export function clientAddress(peer: string, headers: Headers, trustProxy: number): string {
  const direct = normalizeAddress(peer) ?? peer;
  if (trustProxy === 0) return direct;
  const entries = forwardedFor(headers);
  const entry = entries.at(-trustProxy) ?? entries[0];
  return entry === undefined ? direct : normalizeAddress(withoutPort(entry)) ?? direct;
}

/** Describes a client to the hub. */
export function peerAddress(address: string): PeerAddress {
  return { address, network: addressNetwork(address), isLoopback: isLoopback(address) };
}

/** Returns true if `address` belongs to this machine. */
export function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? "ipv4" : "ipv6");
}

/** Returns the network that shares quotas: an IPv4 address, or the /64 of an IPv6 address. */
export function addressNetwork(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":") + "::/64";
}

/**
 * Returns the canonical form of an address, with IPv4-mapped IPv6 as IPv4, or `undefined` if
 * `text` is not an address.
 */
export function normalizeAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version !== 6) return version === 4 ? text : undefined;
  // A zone only has meaning on the machine that wrote it.
  const canonical = URL.parse(`http://[${text.replace(/%.*$/, "")}]/`)?.hostname.slice(1, -1);
  const mapped = canonical?.match(/^::ffff:([\da-f]+):([\da-f]+)$/);
  if (!mapped) return canonical;
  const [high, low] = [parseInt(mapped[1] ?? "", 16), parseInt(mapped[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** Returns the addresses that proxies reported, the nearest last. */
function forwardedFor(headers: Headers): readonly string[] {
  const list = headers.get("x-forwarded-for");
  if (list !== null) return list.split(",").map((part) => part.trim());
  const elements = headers.get("forwarded")?.split(",") ?? [];
  return elements.map((element) => {
    const pair = element.split(";").find((part) => /^\s*for\s*=/i.test(part)) ?? "";
    return pair.replace(/^[^=]*=/, "").trim().replace(/^"(.*)"$/, "$1");
  });
}

function withoutPort(text: string): string {
  return text.match(/^\[([^\]]*)\](?::\d+)?$/)?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
}

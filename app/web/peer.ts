// Client addresses: reading them from trusted proxies, normalizing and grouping them.

import { BlockList, isIP } from "node:net";
import type { PeerAddress } from "../chat/session.ts";
import { memoize } from "../protocol/memoize.ts";

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Addresses inside a network rather than on the internet: RFC 1918, 3927, 4193, 4291 and 6598. */
const privateNetworks = new BlockList();
privateNetworks.addSubnet("10.0.0.0", 8, "ipv4");
privateNetworks.addSubnet("100.64.0.0", 10, "ipv4");
privateNetworks.addSubnet("169.254.0.0", 16, "ipv4");
privateNetworks.addSubnet("172.16.0.0", 12, "ipv4");
privateNetworks.addSubnet("192.168.0.0", 16, "ipv4");
privateNetworks.addSubnet("fc00::", 7, "ipv6");
privateNetworks.addSubnet("fe80::", 10, "ipv6");

const loopbackNetwork = addressNetwork("::1");

/** Address of every client that a trusted proxy does not report. They share one set of limits. */
const unknownClient = "unknown";

/**
 * Returns the client's address: the peer's, or the one reported by the outermost of `trustProxy`
 * proxies. Entries further left come from the client and are ignored. Returns `unknown` if the
 * entry is not an address, so that an invalid one evades no limit.
 */
export function clientAddress(peer: string, headers: Headers, trustProxy: number): string {
  const direct = normalizeAddress(peer) ?? peer;
  if (trustProxy === 0) return direct;
  const entries = forwardedFor(headers);
  const entry = entries.at(-trustProxy) ?? entries[0];
  return entry === undefined ? direct : normalizeAddress(withoutPort(entry)) ?? unknownClient;
}

/**
 * Returns whether a ban may cover `address`, which `clientAddress` returned. It must be the
 * client's own, and not that of this machine or of a proxy.
 */
export function isBannable(
  address: string,
  peer: string,
  headers: Headers,
  trustProxy: number,
): boolean {
  if (isIP(address) === 0 || addressScope(address) === "loopback") return false;
  return trustProxy === 0 || address !== peer && forwardedFor(headers).length >= trustProxy;
}

/** Matches the headers in which proxies and content networks describe a request. */
const proxyHeader =
  /^(forwarded|via|x-forwarded(-.+)?|x-real-ip|x-original-.+|.+-(client|connecting)-ip)$/;

/** Returns true if a request has a header that proxies add. */
export function isForwarded(headers: Headers): boolean {
  return [...headers.keys()].some((name) => proxyHeader.test(name));
}

/** Returns true if the peer of a connection has no address, because it has reset the connection. */
export function isUnspecified(peer: string): boolean {
  return peer === "0.0.0.0" || peer === "::";
}

/** Describes a client to the hub. Behind a trusted proxy, no client counts as loopback. */
export function peerAddress(address: string, trustProxy = 0): PeerAddress {
  const scope = addressScope(address);
  return {
    address,
    network: addressNetwork(address),
    scope: trustProxy > 0 && scope === "loopback" ? "private" : scope,
  };
}

/** Returns where an address is valid: on this machine, in a private network, or everywhere. */
export const addressScope = memoize((address): PeerAddress["scope"] => {
  if (contains(loopback, address)) return "loopback";
  return contains(privateNetworks, address) ? "private" : "public";
});

/** Returns true if `addressNetwork` returned `network` for an address that is not public. */
export function isPrivateNetwork(network: string): boolean {
  return network === loopbackNetwork || addressScope(network.replace("/64", "")) !== "public";
}

function contains(list: BlockList, address: string): boolean {
  const version = isIP(address);
  return version !== 0 && list.check(address, version === 4 ? "ipv4" : "ipv6");
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
export const normalizeAddress = memoize((text): string | undefined => {
  const version = isIP(text);
  if (version !== 6) return version === 4 ? text : undefined;
  // A zone only has meaning on the machine that wrote it.
  const canonical = URL.parse(`http://[${text.replace(/%.*$/, "")}]/`)?.hostname.slice(1, -1);
  const mapped = canonical?.match(/^::ffff:([\da-f]+):([\da-f]+)$/);
  if (!mapped) return canonical;
  const [high, low] = [parseInt(mapped[1] ?? "", 16), parseInt(mapped[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
});

/**
 * Max length that is read of a header's list of addresses, from its end. The rest is the client's:
 * each proxy adds less than 100 characters. Splitting 60 KB would take up to 13 ms.
 */
const listMaxLength = 4_096;

/** Returns the addresses that proxies reported, nearest last. */
function forwardedFor(headers: Headers): readonly string[] {
  const listOf = (name: string) => headers.get(name)?.slice(-listMaxLength).split(",");
  const list = listOf("x-forwarded-for");
  if (list !== undefined) return list.map((part) => part.trim());
  return (listOf("forwarded") ?? []).map((element) => {
    const pair = element.split(";").find((part) => /^\s*for\s*=/i.test(part)) ?? "";
    return pair.replace(/^[^=]*=/, "").trim().replace(/^"(.*)"$/, "$1");
  });
}

function withoutPort(text: string): string {
  return text.match(/^\[([^\]]*)\](?::\d+)?$/)?.[1] ?? text.replace(/^([\d.]+):\d+$/, "$1");
}

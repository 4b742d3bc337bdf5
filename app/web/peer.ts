// Who is at the other end of a request: addresses, and what trusted proxies say of them. No limits and no answers live here.

const forwardingHeaders = ["forwarded", "x-forwarded-for"];

/** The headers of a request that claim where it comes from. */
export function forwardingClaims(headers: Headers): readonly string[] {
  return forwardingHeaders.filter((name) => headers.has(name));
}

/**
 * The client's address: the peer's, or what the proxy `trustProxy` steps before this server saw as its peer. Entries further
 * left are the client's own words. An entry that is no address leaves the peer's.
 */
export function clientAddress(peer: string, headers: Headers, trustProxy: number): string {
  const direct = normalAddress(peer) ?? peer;
  if (trustProxy === 0) return direct;
  const claims = forwardedFor(headers);
  const claim = claims.at(-trustProxy) ?? claims[0];
  return claim === undefined ? direct : normalAddress(withoutPort(claim)) ?? direct;
}

/** Whether `address` is this machine. */
export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** What connections are counted by: an IPv4 address, or the /64 network that one household has of IPv6. */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0");
  return [...left, ...zeros, ...right].slice(0, 4).join(":") + "::/64";
}

/** The one way to write an address, IPv4 inside IPv6 as IPv4; `undefined` for what is no address. */
export function normalAddress(text: string): string | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const parts = text.split(".").map(Number);
    return parts.every((part) => part <= 255) ? parts.join(".") : undefined;
  }
  // A zone says which card a link-local address belongs to, and only on its own machine.
  const bare = text.replace(/%.*$/, "");
  if (!/^[\da-f:.]+$/i.test(bare)) return undefined;
  const v6 = URL.parse(`http://[${bare}]/`)?.hostname.slice(1, -1);
  const mapped = v6?.match(/^::ffff:([\da-f]+):([\da-f]+)$/);
  if (!mapped) return v6;
  const [high, low] = [parseInt(mapped[1] ?? "", 16), parseInt(mapped[2] ?? "", 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The addresses that proxies wrote down, the nearest last. */
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

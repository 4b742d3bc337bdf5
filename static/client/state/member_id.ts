// Computes the public id of a member from its token. Not part of sealing.ts, because every visit
// needs it, and few need sealing.

/** Returns the public id of a token's holder, as the server computes it (S6). Needs WebCrypto. */
export async function memberOf(token: string): Promise<string> {
  const text = new TextEncoder().encode(`parley member ${token}`);
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", text))).slice(0, 16);
}

/** Returns bytes in base64url. */
export function encode(bytes: Iterable<number>): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
}

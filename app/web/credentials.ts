// Credentials of a request: Basic with a name and a token, or Bearer with a token (RFC 7617, 6750).

import { memoize } from "../protocol/memoize.ts";

export interface Credentials {
  /** Absent for Bearer, and if the name is empty. */
  readonly username?: string;
  readonly token: string;
}

/** Returns the credentials in the Authorization header, or `undefined` if there are none. */
export function credentialsOf(headers: Headers): Credentials | undefined {
  return parse(headers.get("authorization") ?? "");
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Parses the header. Programs repeat it, so its results are kept. */
const parse = memoize((authorization): Credentials | undefined => {
  const [, scheme = "", value = ""] = /^(\w+) +(\S+)$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === "bearer") return { token: value };
  if (scheme.toLowerCase() !== "basic") return undefined;
  try {
    const pair = decoder.decode(Uint8Array.fromBase64(value));
    const colon = pair.indexOf(":");
    if (colon < 0) return undefined;
    const [username, token] = [pair.slice(0, colon), pair.slice(colon + 1)];
    return username === "" ? { token } : { username, token };
  } catch {
    return undefined;
  }
});

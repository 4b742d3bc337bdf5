// Access to the operator's pages: metrics and status.

import { credentialsOf } from "./credentials.ts";
import { addressScope, isForwarded } from "./peer.ts";
import type { Problem } from "./problem.ts";

/** Who may see the operator's pages. */
export interface OperatorAccess {
  /** Compares a token with METRICS_TOKEN. Without it, only this machine's users have access. */
  readonly isToken?: ((token: string) => boolean) | undefined;
  /** Number of trusted proxies. Behind one, every client seems local, so a token is required. */
  readonly trustProxy: number;
}

const localHost = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

const localOnly: Problem = {
  status: 403,
  code: "local_only",
  detail: "Available from localhost only. Set METRICS_TOKEN to allow remote access",
};
const tokenUnset: Problem = {
  status: 403,
  code: "local_only",
  detail: "Not available while TRUST_PROXY is set. Set METRICS_TOKEN to allow access",
};
const tokenRequired: Problem = {
  status: 401,
  code: "token_required",
  detail: "Send METRICS_TOKEN as a bearer token, or as the password with any username",
  headers: { "www-authenticate": 'Basic realm="Parley", charset="UTF-8"' },
};

/** Returns a problem if a request may not see the operator's pages. `peer` is its remote end. */
export function operatorProblem(
  { isToken, trustProxy }: OperatorAccess,
  peer: string,
  headers: Headers,
): Problem | undefined {
  if (isToken !== undefined) {
    return isToken(credentialsOf(headers)?.token ?? "") ? undefined : tokenRequired;
  }
  // Without a header from the proxy, its requests look local.
  if (trustProxy > 0) return tokenUnset;
  return isLocal(peer, headers) ? undefined : localOnly;
}

/**
 * Returns true if a request comes straight from this machine. Checks the Host header too, because
 * a foreign page can point its own name to this machine (DNS rebinding).
 */
function isLocal(peer: string, headers: Headers): boolean {
  return addressScope(peer) === "loopback" &&
    localHost.test(headers.get("host") ?? "") &&
    !isForwarded(headers);
}

// Access to the operator's pages: metrics and status.

import { credentialsOf } from "./credentials.ts";
import type { WebOptions } from "./options.ts";
import { addressScope, isForwarded } from "./peer.ts";
import type { Problem } from "./problem.ts";

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
  { isToken, trustProxy }: Pick<WebOptions, "isToken" | "trustProxy">,
  peer: string,
  headers: Headers,
): Problem | undefined {
  if (isToken !== undefined) {
    return isToken(credentialsOf(headers)?.token ?? "") ? undefined : tokenRequired;
  }
  // Every client seems local behind a proxy that sends no header.
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

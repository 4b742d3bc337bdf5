// The host names by which clients may address this server. Without this check, a foreign page could
// point its own name at an address in its visitor's network and read the chat (DNS rebinding).

import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Certificate } from "./certificate.ts";
import { truncate } from "./line_limit.ts";
import type { WebOptions } from "./options.ts";
import { addressNetwork, addressScope, normalizeAddress } from "./peer.ts";
import type { Problem } from "./problem.ts";

type HostGuardOptions = Pick<
  WebOptions,
  "allowedHosts" | "trustProxy" | "certificate" | "log" | "now"
>;

const reportMs = 1_000;

/** Names that public DNS never resolves. */
const localSuffixes = [".local", ".internal", ".localhost"];

/** Checks the host of requests that come from this machine or from a private network. */
export class HostGuard {
  readonly #options: HostGuardOptions;
  #certificateNames: readonly string[];
  #reportedAt = -Infinity;

  constructor(options: HostGuardOptions) {
    this.#options = options;
    this.#certificateNames = certificateNames(options.certificate);
  }

  renew(certificate: Certificate): void {
    this.#certificateNames = certificateNames(certificate);
  }

  /**
   * Returns a problem if `host` (a URL's hostname) may belong to a foreign page. Rebinding needs a
   * browser inside the network, so a peer with a public address is not checked.
   */
  problem(host: string, peer: string): Problem | undefined {
    const { allowedHosts, trustProxy, log, now } = this.#options;
    // A proxy decides which hosts it forwards.
    if (trustProxy > 0 || addressScope(normalizeAddress(peer) ?? peer) === "public") {
      return undefined;
    }
    const name = host.toLowerCase().replace(/\.$/, "");
    const isAllowed = isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 ||
      !name.includes(".") ||
      localSuffixes.some((suffix) => name.endsWith(suffix)) ||
      allowedHosts.includes(name) ||
      this.#certificateNames.some((pattern) => matches(pattern, name));
    if (isAllowed) return undefined;
    const remedy = "Add it to ALLOWED_HOSTS, or set TRUST_PROXY if your own proxy forwards it";
    if (now() - this.#reportedAt >= reportMs) {
      this.#reportedAt = now();
      const network = addressNetwork(peer);
      log.warn("host_denied", { peer, host: truncate(name), hint: remedy }, network);
    }
    const detail = `This chat does not know the host ${JSON.stringify(name)}. ${remedy}`;
    return { status: 421, code: "host_denied", detail };
  }
}

/** Returns the DNS names of a certificate, in lower case. */
function certificateNames(certificate: Certificate | undefined): readonly string[] {
  if (certificate === undefined) return [];
  const { subjectAltName = "" } = new X509Certificate(certificate.cert);
  return [...subjectAltName.matchAll(/DNS:([^,\s"]+)/g)].map(([, name = ""]) => name.toLowerCase());
}

/** Matches a name with a pattern whose first label may be a wildcard (RFC 6125, section 6.4.3). */
function matches(pattern: string, name: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === name;
  return name.slice(name.indexOf(".")) === pattern.slice(1);
}

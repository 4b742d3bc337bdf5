// Warnings about proxies that do not match TRUST_PROXY. Each is logged once.

import type { HubLog } from "../chat/ports.ts";
import type { PeerAddress } from "../chat/session.ts";

/** Headers in which a proxy names the client. */
const forwardingHeaders = ["forwarded", "x-forwarded-for"];

/** Compares requests with TRUST_PROXY, the number of trusted proxies. */
export class ProxyWarnings {
  readonly #trustProxy: number;
  readonly #log: Pick<HubLog, "warn">;
  #hasWarned = false;
  #hasWarnedAboutSharing = false;

  constructor(trustProxy: number, log: Pick<HubLog, "warn">) {
    this.#trustProxy = trustProxy;
    this.#log = log;
  }

  /** Logs a warning if a request from `peer` does not match the setting. */
  check(peer: string, headers: Headers): void {
    if (this.#hasWarned) return;
    const present = forwardingHeaders.filter((name) => headers.has(name));
    if (this.#trustProxy === 0 && present.length > 0) {
      this.#hasWarned = true;
      const hint = "set TRUST_PROXY to the number of your proxies, if there are any";
      this.#log.warn("untrusted_proxy", { peer, headers: present.join(" "), hint });
    }
    // Only handshakes count: a local health check does not come through the proxy. If the proxy
    // names no client, all clients share one address and its limits.
    if (this.#trustProxy > 0 && present.length === 0 && headers.has("sec-websocket-key")) {
      this.#hasWarned = true;
      const hint =
        "configure the proxy to set X-Forwarded-For, or unset TRUST_PROXY if there is none";
      this.#log.warn("silent_proxy", { peer, hint });
    }
  }

  /**
   * Logs a warning if all `count` connections come from one private address, and are more than a
   * public address may have: a proxy or a container gateway probably hides the clients' addresses.
   */
  checkSharing({ address, scope }: PeerAddress, count: number, max: number): void {
    if (this.#hasWarnedAboutSharing || scope !== "private" || max === 0 || count <= max) return;
    this.#hasWarnedAboutSharing = true;
    const hint =
      "everyone seems to come from this address and shares its limits; if it is a proxy " +
      "or a container gateway, configure it to set X-Forwarded-For, and set TRUST_PROXY";
    this.#log.warn("shared_address", { address, connections: count, hint });
  }
}

// The access log, limited per address so that a flood cannot rotate other clients' lines away.

import { RateLimiter } from "../chat/rate_limiter.ts";
import type { AccessRecord, Logs } from "../core/logging.ts";

/** Max length of a client-supplied value in the access log. */
const valueMaxLength = 256;
/** Max lines per address in one burst; then one per second. */
const linesBurst = 100;
/** Interval at which addresses within their limit are forgotten. */
const sweepMs = 60_000;
/** Max warnings per minute about addresses over their limit. */
const warningsMax = 100;
/** Container engines, load balancers and pages in development poll these all day. */
const unloggedPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/dev/start"]);

/** Writes requests to the access log. During a flood, an address gets one line per second. */
export class AccessLog {
  readonly #log: Pick<Logs, "access" | "warn">;
  readonly #now: () => number;
  readonly #limiter = new RateLimiter(linesBurst, 1);
  /** Addresses over their limit since the last sweep. */
  readonly #limited = new Set<string>();
  #sweptAt = 0;

  constructor(log: Pick<Logs, "access" | "warn">, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  write(record: AccessRecord): void {
    const { address, path, status } = record;
    if (status < 400 && unloggedPaths.has(path)) return;
    const now = this.#now();
    if (now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now;
      this.#limiter.sweep(now);
      this.#limited.clear();
    }
    if (this.#limiter.take(address, now) === 0) this.#log.access(record);
    else if (this.#limited.size < warningsMax && !this.#limited.has(address)) {
      this.#limited.add(address);
      this.#log.warn("access_log_limited", { address });
    }
  }
}

export function truncate(value: string | null): string | undefined {
  if (value === null || value.length <= valueMaxLength) return value ?? undefined;
  return `${value.slice(0, valueMaxLength)}...`;
}

// The access log, without most lines of a flood of requests.

import type { AccessRecord, Logs } from "../core/logging.ts";
import { LineLimit } from "./line_limit.ts";

/** Max length of a client-supplied value in the access log. */
const valueMaxLength = 256;
/** Max lines per network in one burst; then one per second. */
const linesBurst = 100;
/** Container engines, load balancers and pages in development poll these all day. */
const unloggedPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz", "/dev/start"]);

/** Writes requests to the access log. During a flood, a network gets one line per second. */
export class AccessLog {
  readonly #log: Pick<Logs, "access">;
  readonly #limit: LineLimit;

  constructor(log: Pick<Logs, "access" | "warn">, now: () => number) {
    this.#log = log;
    this.#limit = new LineLimit("access", linesBurst, 1, log, now);
  }

  /** Logs a request, unless its network is over its limit. */
  write(record: AccessRecord, network: string): void {
    if (record.status < 400 && unloggedPaths.has(record.path)) return;
    if (!this.#limit.isReached(network)) this.#log.access(record);
  }
}

export function truncate(value: string | null): string | undefined {
  if (value === null || value.length <= valueMaxLength) return value ?? undefined;
  return `${value.slice(0, valueMaxLength)}...`;
}

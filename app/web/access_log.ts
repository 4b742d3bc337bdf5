// The access log under load: one address cannot rotate everyone else's lines away.

import type { AccessRecord } from "../core/logging.ts";
import type { FaultLog } from "./websocket.ts";

/** Max length of a client's value in the access log. */
const valueMaxLength = 256;
/** Lines an address may log in one burst; then one per second. */
const linesBurst = 100;
/** Max addresses whose lines are counted. More share one count. */
const addressesMax = 10_000;
/** Container engines and load balancers ask every few seconds, all day. */
const unloggedPaths: ReadonlySet<string> = new Set(["/healthz", "/readyz"]);

/** Where requests and warnings go. Must not throw. */
export interface AccessLogTarget extends Pick<FaultLog, "warn"> {
  access(record: AccessRecord): void;
}

interface Budget {
  lines: number;
  /** When `lines` was computed, in ms. */
  at: number;
  /** Whether lines have been left out since the budget was last full. */
  isLimited: boolean;
}

/** Writes requests to the access log, at most one line per second for an address that floods. */
export class AccessLog {
  readonly #log: AccessLogTarget;
  readonly #now: () => number;
  readonly #budgets = new Map<string, Budget>();

  constructor(log: AccessLogTarget, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Logs a request, unless its address is over its budget. */
  write(record: AccessRecord): void {
    if (record.status < 400 && unloggedPaths.has(record.path)) return;
    const now = this.#now();
    const budget = this.#budgetOf(record.address, now);
    budget.lines = Math.min(linesBurst, budget.lines + (now - budget.at) / 1_000);
    budget.at = now;
    if (budget.lines >= linesBurst) budget.isLimited = false;
    if (budget.lines >= 1) {
      budget.lines--;
      this.#log.access(record);
    } else if (!budget.isLimited) {
      budget.isLimited = true;
      this.#log.warn("access_log_limited", { address: record.address });
    }
  }

  #budgetOf(address: string, now: number): Budget {
    if (this.#budgets.size >= addressesMax) this.#sweep(now);
    const key = this.#budgets.size < addressesMax || this.#budgets.has(address) ? address : "";
    let budget = this.#budgets.get(key);
    if (budget === undefined) {
      budget = { lines: linesBurst, at: now, isLimited: false };
      this.#budgets.set(key, budget);
    }
    return budget;
  }

  /** Forgets addresses that may log a full burst again. */
  #sweep(now: number): void {
    for (const [address, { lines, at }] of this.#budgets) {
      if (lines + (now - at) / 1_000 >= linesBurst) this.#budgets.delete(address);
    }
  }
}

/** Shortens a value that a client chose. */
export function truncate(value: string | null): string | undefined {
  if (value === null || value.length <= valueMaxLength) return value ?? undefined;
  return `${value.slice(0, valueMaxLength)}...`;
}

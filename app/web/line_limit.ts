// Limits on log lines per network, so that a flood cannot rotate other clients' lines away, and on
// what a client can put into one.

import type { HubLog, LogFields } from "../chat/ports.ts";
import { NetworkLimiter } from "../chat/rate_limiter.ts";
import { wideNetwork } from "../chat/session.ts";
import type { AccessRecord, Logs } from "../core/logging.ts";
import { isPrivateNetwork } from "./peer.ts";

/** Interval at which networks within their limit are forgotten. */
const sweepMs = 60_000;
/** Max warnings per minute about networks over their limit. */
const warningsMax = 100;
/**
 * Max events of a network in one burst, and per second after that: about 10 MiB a day, of the 60
 * that `LOG_MAX_BYTES` and `LOG_BACKUPS` keep by default.
 */
const eventsBurst = 2_000;
const eventsPerSecond = 1;
/** How many times more events a private address gets: an office or a proxy may share it. */
const privateFactor = 32;
/** Factor for an IPv6 /48, which one person may own. */
const wideFactor = 4;
/** Max warnings, and max requests, of a network in one burst, and per second after that. */
const linesBurst = 100;
const linesPerSecond = 1;
/** Max length of a client-supplied value. */
const valueMaxLength = 256;
/** Length of a line's values that counts as one more line. */
const lineLength = 256;

/** Counts the lines of one log. */
export class LineLimit {
  readonly #name: string;
  readonly #limiter: NetworkLimiter;
  readonly #log: Pick<HubLog, "warn">;
  readonly #now: () => number;
  /** Networks over their limit since the last sweep; those of an IPv6 /48 count as one. */
  readonly #limited = new Set<string>();
  #sweptAt = 0;

  /** `name` is the log's name. */
  constructor(
    name: string,
    burst: number,
    perSecond: number,
    log: Pick<HubLog, "warn">,
    now: () => number,
  ) {
    this.#name = name;
    this.#limiter = new NetworkLimiter(burst, perSecond, wideFactor);
    this.#log = log;
    this.#now = now;
  }

  /**
   * Counts a line with these values; long ones count as several lines. Returns false if its network
   * is over its limit, and logs that once a minute. Lines without a network are not counted.
   */
  admit(network: string | undefined, values: readonly unknown[] = []): boolean {
    if (network === undefined) return true;
    const now = this.#now();
    if (now - this.#sweptAt >= sweepMs) {
      this.#sweptAt = now;
      this.#limiter.sweep(now);
      this.#limited.clear();
    }
    if (this.#limiter.take(network, now, linesOf(values)) === 0) return true;
    const wide = wideNetwork(network);
    if (this.#limited.size < warningsMax && !this.#limited.has(wide)) {
      this.#limited.add(wide);
      this.#log.warn("log_limited", { log: this.#name, address: network });
    }
    return false;
  }
}

/** Returns a log that drops requests, events and warnings of networks over their limits. */
export function limitLines<T extends HubLog & Pick<Logs, "access">>(log: T, now: () => number): T {
  const events = new LineLimit("websocket", eventsBurst, eventsPerSecond, log, now);
  const privateEvents = new LineLimit(
    "websocket",
    eventsBurst * privateFactor,
    eventsPerSecond * privateFactor,
    log,
    now,
  );
  const eventsOf = (network?: string) =>
    network !== undefined && isPrivateNetwork(network) ? privateEvents : events;
  const warnings = new LineLimit("error", linesBurst, linesPerSecond, log, now);
  const requests = new LineLimit("access", linesBurst, linesPerSecond, log, now);
  return {
    ...log,
    access: (record: AccessRecord, network?: string) => {
      const values = [record.path, record.referrer, record.userAgent];
      if (requests.admit(network, values)) log.access(record);
    },
    event: (event: string, fields: LogFields, network?: string) => {
      if (eventsOf(network).admit(network, Object.values(fields))) log.event(event, fields);
    },
    warn: (event: string, fields: LogFields, network?: string) => {
      if (warnings.admit(network, Object.values(fields))) log.warn(event, fields);
    },
  };
}

/** Returns how many lines a line with these values counts as. Escaped characters take six each. */
function linesOf(values: readonly unknown[]): number {
  const text = values.filter((value) => typeof value === "string").join("");
  return 1 + Math.floor(text.replace(/[^ -~]/g, "\\u0000").length / lineLength);
}

/** Returns a client-supplied value for a log, without the end of a long one. */
export function truncate(value: string | null): string | undefined {
  if (value === null || value.length <= valueMaxLength) return value ?? undefined;
  return `${value.slice(0, valueMaxLength)}...`;
}

// Search: runs the query of a client, and shortens the messages found to excerpts.

import { matchesOf } from "../protocol/search.ts";
import type {
  ErrorPush,
  MatchRange,
  ResultsPush,
  SearchCommand,
  SearchQuery,
  SearchResult,
} from "../protocol/wire.ts";
import type { MessageEntry } from "./broker.ts";
import type { HubPorts } from "./ports.ts";
import type { Quotas } from "./quotas.ts";
import { rateLimited, refusal } from "./refusals.ts";
import type { Payer } from "./session.ts";
import { NetworkTally } from "./tally.ts";

const resultsMax = 20;
/** Cost of a search, besides the bytes of its results. */
const searchCostBytes = 65_536;
/** Cost of the time that a search takes. It limits an address to 5 % of the server's time. */
const costBytesPerMs = 20 * 1024;
/** Longer texts are cut to this length, in UTF-16 code units. */
const excerptLength = 400;
/** Length of the text before the first match in an excerpt. */
const leadLength = 100;

/** Max searches of a network at a time, so that others need not wait for all of its searches. */
const searchesMax = { public: 5, private: 10, loopback: 15 };
/** Factor for an IPv6 /48, which one person may own. */
const wideFactor = 2;
/** Max searches of all networks that run or wait. */
const allSearchesMax = 20;
const retryMs = 1_000;
/** Time after which the next results wait for other clients: texts with many words take long. */
const stepMs = 5;

export class Searches {
  readonly #ports: HubPorts;
  readonly #quotas: Quotas;
  /** How many searches of each network run or wait. */
  readonly #counts = new NetworkTally(wideFactor);

  constructor(ports: HubPorts, quotas: Quotas) {
    this.#ports = ports;
    this.#quotas = quotas;
  }

  /**
   * Runs a search and charges `payer` for it. Returns an error push if too many are running, if
   * search is turned off, or if `before` is invalid. Rejects while storage is unavailable.
   */
  async run(payer: Payer, command: SearchCommand): Promise<ResultsPush | ErrorPush> {
    const { network, scope } = payer;
    const isFull = this.#counts.isFull(network, searchesMax[scope]) ||
      this.#counts.total >= allSearchesMax;
    if (isFull) return rateLimited({ re: "search" }, "bytes", retryMs);
    this.#counts.add(network);
    try {
      return await this.#run(payer, command);
    } finally {
      this.#counts.remove(network);
    }
  }

  async #run(payer: Payer, command: SearchCommand): Promise<ResultsPush | ErrorPush> {
    const { broker, clock, scheduler } = this.#ports;
    if (broker.search === undefined) return refusal({ re: "search" }, "search_off");
    this.#quotas.chargeBytes(payer, searchCostBytes);
    const page = await broker.search({ ...command, limit: resultsMax });
    if (page === undefined) return refusal({ re: "search" }, "field_invalid");
    let { messages, busyMs = 0, ...rest } = page;
    const results: SearchResult[] = [];
    let startedAt = clock.now();
    for (const message of messages) {
      if (clock.now() - startedAt > stepMs) {
        busyMs += clock.now() - startedAt;
        await new Promise<void>((resolve) => void scheduler.later(1, resolve));
        startedAt = clock.now();
      }
      const result = resultOf(command.query, message);
      if (result !== undefined) results.push(result);
    }
    busyMs += clock.now() - startedAt;
    const textBytes = results.reduce((bytes, { text }) => bytes + 2 * text.length, 0);
    this.#quotas.chargeBytes(payer, textBytes + Math.round(busyMs * costBytesPerMs));
    return { type: "results", results, ...rest };
  }
}

/** Returns a message as a result, or `undefined` if it doesn't match. */
function resultOf(query: SearchQuery, message: MessageEntry): SearchResult | undefined {
  const { room, offset, member, from, at, text = "" } = message;
  const ranges = matchesOf(query, { from, text });
  return ranges && { room, offset, member, from, at, ...excerptOf(text, ranges) };
}

/** Returns the part of a text around its first match, and the matches in it. */
function excerptOf(
  text: string,
  ranges: readonly MatchRange[],
): { readonly text: string; readonly ranges: readonly MatchRange[] } {
  if (text.length <= excerptLength) return { text, ranges };
  const first = Math.min((ranges[0]?.[0] ?? 0) - leadLength, text.length - excerptLength);
  const start = afterPair(text, Math.max(0, first));
  const end = afterPair(text, start + excerptLength);
  const before = start > 0 ? "…" : "";
  const excerpt = before + text.slice(start, end) + (end < text.length ? "…" : "");
  const shift = before.length - start;
  const inside = ranges.filter(([, to]) => to <= end)
    .map(([from, to]): MatchRange => [from + shift, to + shift]);
  return { text: excerpt, ranges: inside };
}

/** Returns an index in a well-formed text, or the next one if it is within a surrogate pair. */
function afterPair(text: string, index: number): number {
  return /[\udc00-\udfff]/.test(text.charAt(index)) ? index + 1 : index;
}

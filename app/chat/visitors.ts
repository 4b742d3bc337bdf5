// Reads without a session, for HTTP: the room directory, pages of rooms, single entries and search.

import type { DirectoryRoom, ErrorPush, ResultsPush, SearchCommand } from "../protocol/wire.ts";
import type { Entry, Page, ReadQuery } from "./broker.ts";
import { readDirectory } from "./directory.ts";
import { byteLength, encodeEntries } from "./entries.ts";
import type { HubCore } from "./hub_core.ts";
import { rateLimited } from "./refusals.ts";
import type { About } from "./refusals.ts";
import { runSearch } from "./searches.ts";
import type { Payer, PeerAddress } from "./session.ts";

/** How long the directory is reused, since anyone may request it and reading it can take long. */
const directoryMaxAgeMs = 5_000;
/** Max searches of a network at a time, so that others need not wait for all of its searches. */
const searchesMax = { public: 3, private: 10, loopback: 15 };
const searchRetryMs = 1_000;

/**
 * Serves clients without a session. Their network pays. Methods reject while storage is
 * unavailable.
 */
export class Visitors {
  readonly #hub: HubCore;
  #rooms: Promise<readonly DirectoryRoom[]> | undefined;
  #roomsReadAt = 0;
  /** How many searches of each network run or wait. */
  readonly #searches = new Map<string, number>();

  constructor(hub: HubCore) {
    this.#hub = hub;
  }

  /** Returns the room directory of the last 5 s, or an error push if access is denied. */
  async directory(
    peer: PeerAddress,
    accessCode: string | undefined,
  ): Promise<readonly DirectoryRoom[] | ErrorPush> {
    const denied = this.#hub.access.check({ ...peer, member: "" }, accessCode, false);
    if (denied !== undefined) return denied;
    const now = this.#hub.ports.clock.now();
    if (this.#rooms === undefined || now - this.#roomsReadAt >= directoryMaxAgeMs) {
      this.#roomsReadAt = now;
      this.#rooms = readDirectory(this.#hub);
    }
    return await this.#rooms;
  }

  /** Reads a page of a room. Returns an error push if access is denied. */
  async read(
    peer: PeerAddress,
    accessCode: string | undefined,
    room: string,
    query: ReadQuery,
  ): Promise<Page | ErrorPush> {
    const payer = readerOf(peer);
    const denied = this.refusal(payer, accessCode, { re: "history", room });
    if (denied !== undefined) return denied;
    const page = await this.#hub.ports.broker.read(room, query);
    this.#hub.quotas.chargeBytes(payer, byteLength(encodeEntries(page.entries, undefined)));
    return page;
  }

  /** Searches messages. Returns an error push if access is denied or search is turned off. */
  async search(
    peer: PeerAddress,
    accessCode: string | undefined,
    command: SearchCommand,
  ): Promise<ResultsPush | ErrorPush> {
    const payer = readerOf(peer);
    const { network, scope } = payer;
    const about = { re: "search" };
    const denied = this.refusal(payer, accessCode, about);
    if (denied !== undefined) return denied;
    const count = this.#searches.get(network) ?? 0;
    if (count >= searchesMax[scope]) return rateLimited(about, "bytes", searchRetryMs);
    this.#searches.set(network, count + 1);
    try {
      return await runSearch(this.#hub, payer, command);
    } finally {
      const left = (this.#searches.get(network) ?? 1) - 1;
      if (left > 0) this.#searches.set(network, left);
      else this.#searches.delete(network);
    }
  }

  /** Reads an entry that a post has written. */
  async entry(room: string, offset: number): Promise<Entry | undefined> {
    const query = { before: offset + 1, limit: 1, maxBytes: 1 };
    const { entries } = await this.#hub.ports.broker.read(room, query);
    return entries.find((entry) => entry.offset === offset);
  }

  /** Returns why a client may not read now, or charges the read. */
  refusal(payer: Payer, code: string | undefined, about: About): ErrorPush | undefined {
    const denied = this.#hub.access.check(payer, code, false);
    if (denied !== undefined) return denied;
    const retryAfter = this.#hub.quotas.takeCommandBytes(payer);
    return retryAfter > 0 ? rateLimited(about, "bytes", retryAfter) : undefined;
  }
}

/** Returns the payer of reads without a token. Readers on one private address share a quota. */
export function readerOf({ network, scope }: PeerAddress): Payer {
  return { network, scope, member: `reader ${network}` };
}

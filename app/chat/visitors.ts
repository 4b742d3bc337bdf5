// Reads without a session, for HTTP: the room directory, pages of rooms, single entries and search.

import type { DirectoryRoom, ErrorPush, ResultsPush, SearchCommand } from "../protocol/wire.ts";
import type { Entry, Page, ReadQuery } from "./broker.ts";
import { readDirectory } from "./directory.ts";
import { byteLength, encodeEntries } from "./entries.ts";
import type { HubCore } from "./hub_core.ts";
import { rateLimited } from "./refusals.ts";
import type { About } from "./refusals.ts";
import type { Payer, PeerAddress } from "./session.ts";

/** How long the directory is reused, since anyone may request it and reading it can take long. */
const directoryMaxAgeMs = 5_000;
/** Approximate size of a room in the directory, in bytes. */
const roomBytes = 128;

/**
 * Serves clients without a session, and charges their network. Methods reject while storage is
 * unavailable.
 */
export class Visitors {
  readonly #hub: HubCore;
  #rooms: Promise<readonly DirectoryRoom[]> | undefined;
  #roomsReadAt = 0;

  constructor(hub: HubCore) {
    this.#hub = hub;
  }

  /** Returns the room directory of the last 5 s, or an error push if access is denied. */
  async directory(
    peer: PeerAddress,
    accessCode: string | undefined,
  ): Promise<readonly DirectoryRoom[] | ErrorPush> {
    const payer = readerOf(peer);
    const denied = this.refusal(payer, accessCode, { re: "directory" });
    if (denied !== undefined) return denied;
    const now = this.#hub.ports.clock.now();
    if (this.#rooms === undefined || now - this.#roomsReadAt >= directoryMaxAgeMs) {
      this.#roomsReadAt = now;
      this.#rooms = readDirectory(this.#hub);
    }
    const rooms = await this.#rooms;
    this.#hub.quotas.chargeBytes(payer, rooms.length * roomBytes);
    return rooms;
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

  /** Searches messages. Returns an error push if access is denied or the search is refused. */
  async search(
    peer: PeerAddress,
    accessCode: string | undefined,
    command: SearchCommand,
  ): Promise<ResultsPush | ErrorPush> {
    const payer = readerOf(peer);
    return this.refusal(payer, accessCode, { re: "search" }) ??
      await this.#hub.searches.run(payer, command);
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

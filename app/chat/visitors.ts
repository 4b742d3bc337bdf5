// Reading without a session: the room directory, pages of rooms, single entries and search, for HTTP.

import type { ErrorPush, ResultsPush, SearchCommand } from "../protocol/wire.ts";
import type { Entry, Page, ReadQuery } from "./broker.ts";
import { Directory } from "./directory.ts";
import { byteLength, encodeEntries } from "./entries.ts";
import type { HubParts } from "./hub_parts.ts";
import { rateLimited } from "./refusals.ts";
import type { About } from "./refusals.ts";
import { runSearch } from "./searches.ts";
import type { Payer, PeerAddress } from "./session.ts";

/** Serves clients that read without a session. Their network pays. */
export class Visitors {
  readonly #parts: HubParts;
  readonly #directory: Directory;

  constructor(parts: HubParts) {
    this.#parts = parts;
    this.#directory = new Directory(parts);
  }

  /**
   * Returns the room directory for a client without a session, or an error push if the client is
   * denied access. Rejects while storage is unavailable.
   */
  async directory(peer: PeerAddress, accessCode: string | undefined) {
    const denied = this.#parts.access.check({ ...peer, member: "" }, accessCode, false);
    return denied ?? await this.#directory.list();
  }

  /**
   * Reads a page of a room for a client without a session. Returns an error push if the client is
   * denied access. Rejects while storage is unavailable.
   */
  async read(
    peer: PeerAddress,
    accessCode: string | undefined,
    room: string,
    query: ReadQuery,
  ): Promise<Page | ErrorPush> {
    const payer = readerOf(peer);
    const denied = this.refusal(payer, accessCode, { re: "history", room });
    if (denied !== undefined) return denied;
    const page = await this.#parts.ports.broker.read(room, query);
    this.#parts.quotas.chargeBytes(payer, byteLength(encodeEntries(page.entries, undefined)));
    return page;
  }

  /**
   * Searches messages for a client without a session. Returns an error push if the client is denied
   * access or search is turned off. Rejects while storage is unavailable.
   */
  async search(
    peer: PeerAddress,
    accessCode: string | undefined,
    command: SearchCommand,
  ): Promise<ResultsPush | ErrorPush> {
    const payer = readerOf(peer);
    const denied = this.refusal(payer, accessCode, { re: "search" });
    return denied ?? await runSearch(this.#parts, payer, command);
  }

  /** Reads an entry that a post has written. Rejects while storage is unavailable. */
  async entry(room: string, offset: number): Promise<Entry | undefined> {
    const query = { before: offset + 1, limit: 1, maxBytes: 1 };
    const { entries } = await this.#parts.ports.broker.read(room, query);
    return entries.find((entry) => entry.offset === offset);
  }

  /** Returns why a client without a session may not read now. */
  refusal(payer: Payer, code: string | undefined, about: About): ErrorPush | undefined {
    const denied = this.#parts.access.check(payer, code, false);
    if (denied !== undefined) return denied;
    const retryAfter = this.#parts.quotas.takeCommandBytes(payer);
    return retryAfter > 0 ? rateLimited(about, "bytes", retryAfter) : undefined;
  }
}

/** Returns who pays for reading without a token. On private addresses, all such readers share. */
export function readerOf({ network, scope }: PeerAddress): Payer {
  return { network, scope, member: `reader ${network}` };
}

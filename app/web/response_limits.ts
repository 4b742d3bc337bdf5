// Response limits: bounds the bytes of responses that a network may leave unread, and of the
// buffers of its unfinished requests. Over HTTP/2, one connection can request a file a hundred
// times and read nothing, and each response is a copy.

import type { PeerAddress } from "../chat/session.ts";
import { NetworkTally } from "../chat/tally.ts";
import type { Problem } from "./problem.ts";

const mib = 1024 * 1024;
/** Max unread bytes. A private address or this machine may be a proxy or a gateway. */
const maxByScope = { public: 8 * mib, private: 32 * mib, loopback: 32 * mib };
/** Factor for an IPv6 /48, which one person may own. */
const wideFactor = 8;
/** The buffer in which Deno receives a request's body. */
export const requestBufferBytes = 64 * 1024;
/** Overhead of a response, added to its body. */
const overheadBytes = 4_096;

const tooMany: Problem = {
  status: 503,
  code: "address_full",
  detail: "Your address has too many unfinished requests or unread responses. Try again later",
  headers: { "retry-after": "5" },
};

/** Counts the bytes of unfinished requests, and of responses until the client has received them. */
export class ResponseLimits {
  readonly #unread = new NetworkTally(wideFactor);

  /** Returns a problem if a client's network already has too many unread bytes. */
  problem({ network, scope }: PeerAddress): Problem | undefined {
    return this.#unread.isFull(network, maxByScope[scope]) ? tooMany : undefined;
  }

  /** Counts a response until `completed` settles. */
  add({ network }: PeerAddress, bodyBytes: number, completed: Promise<unknown>): void {
    const bytes = bodyBytes + overheadBytes;
    this.#unread.add(network, bytes);
    const remove = () => this.#unread.remove(network, bytes);
    completed.then(remove, remove);
  }
}

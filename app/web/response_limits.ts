// Response limits: bounds the bytes of responses that a network may leave unread, and of the
// buffers of its unfinished requests. Over HTTP/2, one connection can request a file a hundred
// times and read nothing, and each response is a copy.

import { wideNetwork } from "../chat/session.ts";
import type { PeerAddress } from "../chat/session.ts";
import { Tally } from "../chat/tally.ts";
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
  readonly #unread = new Tally();
  /** The same, with the networks of an IPv6 /48 counted together. */
  readonly #wide = new Tally();

  /** Returns a problem if a client's network already has too many unread bytes. */
  problem({ network, scope }: PeerAddress): Problem | undefined {
    const max = maxByScope[scope];
    const isFull = this.#unread.of(network) >= max ||
      this.#wide.of(wideNetwork(network)) >= max * wideFactor;
    return isFull ? tooMany : undefined;
  }

  /** Counts a response until `completed` settles. */
  add({ network }: PeerAddress, bodyBytes: number, completed: Promise<unknown>): void {
    const bytes = bodyBytes + overheadBytes;
    const wide = wideNetwork(network);
    this.#unread.add(network, bytes);
    this.#wide.add(wide, bytes);
    const remove = () => {
      this.#unread.remove(network, bytes);
      this.#wide.remove(wide, bytes);
    };
    completed.then(remove, remove);
  }
}

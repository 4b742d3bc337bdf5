// Records the messages that a world's pages sent, to compare with the log at the end.

import type { KeyValue } from "../../../static/client/state/storage.ts";

export interface SentMessage {
  readonly room: string;
  readonly nonce: string;
}

/** A record that all clients share. Nonces identify messages. */
export class ClientLedger {
  /** The messages of each client, in the order in which they were sent. */
  readonly sent = new Map<string, SentMessage[]>();
  /** Messages acknowledged to the page. */
  readonly acknowledged = new Set<string>();
  /** The tab storage through which each message was sent. */
  readonly origins = new Map<string, KeyValue>();
  /** Messages that another tab took over, which may change their order. */
  readonly adopted = new Set<string>();
  /** Messages that the user discarded. */
  readonly discarded = new Set<string>();
}

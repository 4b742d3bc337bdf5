// The outbox: messages, edits, deletions and titles written in this tab that may not be in the log
// yet, in order. Pure: the store that outlives a reload, the clock and the nonces are injected.

import { closeCode, mayRetry } from "../../../app/protocol/wire.ts";
import type { Problem } from "./problem.ts";

/** An entry on its way to the log. */
export interface OutboxMessage extends OutboxDraft {
  readonly nonce: string;
  readonly room: string;
  /** When it was written, in ms since 1970. */
  readonly at: number;
  /**
   * `pending`: sent as soon as possible. `stale`: so old that its author must confirm it.
   * `failed`: refused for good, because of `problem`.
   */
  readonly state: "pending" | "stale" | "failed";
  readonly problem?: Problem;
  /** How many connections in a row ended suspiciously while it was in flight. */
  readonly strikes?: number;
  /** Whether it may be in the log already. */
  readonly isSent?: boolean;
}

/** An entry as its author wrote it. */
export interface OutboxDraft {
  /** A message if absent. */
  readonly type?: "edit" | "delete" | "title" | undefined;
  /** Empty in a deletion, and in a title that is removed. */
  readonly text: string;
  /** Whether only moderators can change the title after this one. */
  readonly locked?: true | undefined;
  /** Offset of the message that a message replies to. */
  readonly reply?: number | undefined;
  /** Nonce of that message. */
  readonly answered?: string;
  /** Offset of the message that an edit or a deletion amends, once it is known. */
  readonly offset?: number | undefined;
  /** Nonce of that message. */
  readonly target?: string | undefined;
}

/** Stores messages so that they outlive the page. No method throws. */
export interface OutboxStore {
  /**
   * Returns the messages of this tab and of tabs that are gone, in the order they were written. A
   * tab is gone if it sent no heartbeat since `heardSince`; the default allows for hidden tabs.
   */
  load(heardSince?: number): readonly OutboxMessage[];
  /** Stores a message of this tab. Returns false if it will not outlive the tab. */
  put(message: OutboxMessage): boolean;
  remove(nonce: string): void;
}

export interface OutboxPorts {
  readonly store: OutboxStore;
  /** Milliseconds since 1970. */
  now(): number;
  /** Returns 96 random bits in base64url. */
  newNonce(): string;
}

const staleAfterMs = 24 * 3_600_000;
const strikesMax = 2;
/** Close codes that suggest that a message in flight broke the connection. */
const suspiciousCodes: ReadonlySet<number> = new Set([
  closeCode.frameTooBig,
  closeCode.internal,
  closeCode.protocolError,
]);

/** The unacknowledged messages of one tab, at most one of each room in flight. */
export class Outbox {
  readonly #ports: OutboxPorts;
  #messages: readonly OutboxMessage[] = [];
  /** Nonces by room. */
  readonly #inFlight = new Map<string, string>();
  /** Nonces of messages that will not outlive the tab. */
  readonly #unsaved = new Set<string>();

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
    this.adopt();
  }

  /** Loads the stored messages of this tab, and of tabs without a heartbeat since `heardSince`. */
  adopt(heardSince?: number): void {
    for (const message of this.#ports.store.load(heardSince)) {
      if (this.#find(message.nonce) === undefined) this.#put(message);
    }
    this.#messages = this.#messages.toSorted((a, b) => a.at - b.at);
    this.#markStale();
  }

  /** Whether a message will be lost with the tab, because the browser's storage is full. */
  isUnsaved({ nonce }: OutboxMessage): boolean {
    return this.#unsaved.has(nonce);
  }

  /** Returns the messages of a room in the order in which they are sent. */
  messagesIn(room: string): readonly OutboxMessage[] {
    return this.#messages.filter((message) => message.room === room);
  }

  /** The rooms that have messages. */
  get rooms(): ReadonlySet<string> {
    return new Set(this.#messages.map(({ room }) => room));
  }

  add(room: string, draft: OutboxDraft): void {
    const { now, newNonce } = this.#ports;
    // Times are unique, so that they keep the order across a reload.
    const at = Math.max(now(), (this.#messages.at(-1)?.at ?? 0) + 1);
    this.#put({ ...draft, nonce: newNonce(), room, at, state: "pending" });
  }

  /** Changes the text of an entry that has not been sent. */
  change(nonce: string, text: string): void {
    const message = this.#find(nonce);
    if (message !== undefined) this.#put({ ...message, text });
  }

  /** Returns the next entry of a room and marks it in flight; none while another is. */
  takeNext(room: string): OutboxMessage | undefined {
    if (this.#inFlight.has(room)) return undefined;
    this.#markStale();
    const next = this.messagesIn(room).find(({ state, target, offset }) =>
      state === "pending" && (target === undefined || offset !== undefined)
    );
    if (next === undefined) return undefined;
    this.#inFlight.set(room, next.nonce);
    // Store it before sending: a page that reloads must not change an entry that the log may have.
    if (!next.isSent) this.#put({ ...next, isSent: true });
    return next;
  }

  /** Removes an entry that is in the log at `offset`, and lets entries that amend it be sent. */
  acknowledge(room: string, nonce: string, offset: number): void {
    this.#clearInFlight(room, nonce);
    // Before the removal, since the page can end at any moment.
    for (const message of this.#messages) {
      if (message.target === nonce) this.#put({ ...message, offset });
    }
    this.#remove(nonce);
  }

  /** Handles a refusal. Returns whether the entry is still pending, failed, or was dropped. */
  reject(room: string, nonce: string, problem: Problem): OutboxMessage["state"] | "dropped" {
    this.#clearInFlight(room, nonce);
    const message = this.#find(nonce);
    const { code } = problem;
    const isTitle = message?.type === "title";
    // Messages don't wait behind a rate-limited title (L3).
    const isWaiting = mayRetry(code) && !(isTitle && code === "rate_limited");
    if (isWaiting || code === "not_joined") return "pending";
    if (isTitle || message?.type === "delete" || code === "not_found" || code === "forbidden") {
      this.#remove(nonce);
      return "dropped";
    }
    if (message !== undefined) this.#fail(message, problem);
    return "failed";
  }

  /** Drops the edits and deletions of deleted messages, except one in flight. */
  forget(room: string, offsets: readonly number[]): void {
    for (const { nonce, offset = 0 } of this.messagesIn(room)) {
      if (offsets.includes(offset)) this.discard(nonce);
    }
  }

  /** Makes messages in flight pending again, except those that seem to break the connection. */
  connectionLost(code: number): void {
    const inFlight = this.#messages.filter(({ room, nonce }) => this.#inFlight.get(room) === nonce);
    this.#inFlight.clear();
    for (const { strikes = 0, ...message } of inFlight) {
      if (!suspiciousCodes.has(code)) this.#put(message);
      else if (strikes + 1 < strikesMax) this.#put({ ...message, strikes: strikes + 1 });
      else this.#fail(message, connectionDropped);
    }
  }

  /** Makes a failed or stale message pending again. */
  retry(nonce: string): void {
    const message = this.#find(nonce);
    if (message?.state === "stale") {
      // It may be in the log already; only the same nonce prevents a duplicate.
      this.#put({ ...message, at: this.#ports.now(), state: "pending" });
    } else if (message?.state === "failed") {
      this.discard(nonce);
      const { problem: _, strikes: _strikes, isSent: _isSent, ...draft } = message;
      this.add(message.room, draft);
    }
  }

  /** Removes a message unless it is in flight, and returns it. */
  discard(nonce: string): OutboxMessage | undefined {
    const message = this.#find(nonce);
    if (message === undefined || this.#inFlight.get(message.room) === nonce) return undefined;
    this.#dropAmendments(nonce);
    this.#remove(nonce);
    return message;
  }

  #fail(message: OutboxMessage, problem: Problem): void {
    this.#put({ ...message, state: "failed", problem });
    this.#dropAmendments(message.nonce);
  }

  /** Drops the edits and deletions of a message that won't be in the log. */
  #dropAmendments(target: string): void {
    for (const message of this.#messages) {
      if (message.target === target) this.#remove(message.nonce);
    }
  }

  #remove(nonce: string): void {
    if (this.#find(nonce) === undefined) return;
    this.#messages = this.#messages.filter((message) => message.nonce !== nonce);
    this.#ports.store.remove(nonce);
  }

  #find(nonce: string): OutboxMessage | undefined {
    return this.#messages.find((message) => message.nonce === nonce);
  }

  #clearInFlight(room: string, nonce: string): void {
    if (this.#inFlight.get(room) === nonce) this.#inFlight.delete(room);
  }

  #markStale(): void {
    const oldest = this.#ports.now() - staleAfterMs;
    for (const message of this.#messages) {
      if (message.state === "pending" && message.at < oldest) {
        this.#put({ ...message, state: "stale" });
      }
    }
  }

  /** Stores a message, in place of the one with its nonce or at the end. */
  #put(message: OutboxMessage): void {
    const index = this.#messages.findIndex(({ nonce }) => nonce === message.nonce);
    this.#messages = index < 0 ? [...this.#messages, message] : this.#messages.with(index, message);
    if (this.#ports.store.put(message)) this.#unsaved.delete(message.nonce);
    else this.#unsaved.add(message.nonce);
  }
}

const connectionDropped: Problem = { code: "connection_dropped", message: "" };

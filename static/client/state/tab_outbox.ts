// Stores the outbox of one tab in the storage of all tabs. Each message belongs to a tab and has
// its own key, so no tab overwrites another's. Open tabs adopt the messages of closed ones.

import type { OutboxMessage, OutboxStore } from "./outbox.ts";
import { isTimestamp } from "./message.ts";
import { keysWithPrefix, readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue, Unchecked } from "./storage.ts";

const messagePrefix = "parley.message.";
const tabPrefix = "parley.tab.";
const ownerKey = "parley.owner";
const pollKey = "parley.poll";
/** Browsers may run the timers of a hidden tab only once a minute. */
const tabTimeoutMs = 180_000;

export class TabOutbox implements OutboxStore {
  readonly #shared: KeyValue;
  readonly #own: KeyValue;
  readonly #owner: string;
  readonly #now: () => number;
  /** Nonces of the messages that this tab has loaded or stored. */
  readonly #held = new Set<string>();

  /** All tabs use the storage `shared`; `own` belongs to this tab and survives its reloads. */
  constructor(shared: KeyValue, own: KeyValue, newId: () => string, now: () => number) {
    this.#shared = shared;
    this.#own = own;
    this.#now = now;
    const owner = readJson(own, ownerKey);
    // A duplicate of a tab starts with a copy of `own`, but its original is still open.
    const isReload = typeof owner === "string" && readJson(shared, tabPrefix + owner) === null;
    this.#owner = isReload ? owner : newId();
    writeJson(own, ownerKey, this.#owner);
    this.heartbeat();
  }

  /** Tells other tabs that this one is open. Call it more often than every three minutes. */
  heartbeat(): void {
    writeJson(this.#shared, tabPrefix + this.#owner, this.#now());
  }

  /** Lets other tabs adopt this one's messages, unless it is only reloading. */
  release(): void {
    removeKey(this.#shared, tabPrefix + this.#owner);
  }

  /**
   * Asks all open tabs for a heartbeat, if there are messages that this one doesn't hold. Pass the
   * result to {@linkcode load} a few seconds later, to adopt the messages of tabs that sent none.
   */
  pollTabs(): number | undefined {
    const now = this.#now();
    // Compare nonces: a duplicate made while this tab seemed closed has the same owner.
    if (this.#storedMessages().every(({ nonce }) => this.#held.has(nonce))) return undefined;
    this.heartbeat();
    writeJson(this.#shared, pollKey, now);
    return now;
  }

  /** Handles a `storage` event. Returns true if another tab may have closed. */
  onStorageEvent(key: string | null, value: string | null): boolean {
    if (key === pollKey) this.heartbeat();
    return key?.startsWith(tabPrefix) === true && value === null;
  }

  load(heardSince = this.#now() - tabTimeoutMs): readonly OutboxMessage[] {
    for (const key of keysWithPrefix(this.#shared, tabPrefix)) {
      if (this.#isGone(key.slice(tabPrefix.length), heardSince)) removeKey(this.#shared, key);
    }
    return this.#storedMessages()
      .filter(({ owner }) => owner === this.#owner || this.#isGone(owner, heardSince))
      .map(({ owner: _, ...message }) => message)
      .sort((a, b) => a.at - b.at);
  }

  put(message: OutboxMessage): boolean {
    const key = messagePrefix + message.nonce;
    this.#held.add(message.nonce);
    const stored = { ...message, owner: this.#owner };
    const isShared = writeJson(this.#shared, key, stored);
    // If `shared` is full, `own` may still have space, and survives reloads.
    if (isShared) removeKey(this.#own, key);
    else writeJson(this.#own, key, stored);
    return isShared;
  }

  remove(nonce: string): void {
    this.#held.delete(nonce);
    for (const storage of [this.#shared, this.#own]) removeKey(storage, messagePrefix + nonce);
  }

  /** Returns the messages of all tabs, and removes invalid ones. */
  #storedMessages(): StoredMessage[] {
    const messages = new Map<string, StoredMessage>();
    for (const storage of [this.#shared, this.#own]) {
      for (const key of keysWithPrefix(storage, messagePrefix)) {
        const stored = readJson(storage, key);
        if (isStoredMessage(stored)) messages.set(stored.nonce, stored);
        else removeKey(storage, key);
      }
    }
    return [...messages.values()];
  }

  #isGone(owner: string, heardSince = this.#now() - tabTimeoutMs): boolean {
    const lastHeard = readJson(this.#shared, tabPrefix + owner);
    // A time in the future was written before the clock was set back.
    return !isTimestamp(lastHeard) || lastHeard < heardSince || lastHeard > this.#now();
  }
}

type StoredMessage = OutboxMessage & { readonly owner: string };

function isStoredMessage(value: unknown): value is StoredMessage {
  const stored: Unchecked<StoredMessage> = Object(value);
  const { nonce, room, text, at, state, problem, owner, type = "edit" } = stored;
  const { code, message } = Object(problem ?? { code: "", message: "" }) as Record<string, unknown>;
  // The server refuses any other nonce without naming it, and the message would stay in flight.
  return /^[\w-]{1,36}$/.test(String(nonce)) && isTimestamp(at) &&
    [nonce, room, text, owner, code, message].every((field) => typeof field === "string") &&
    ["pending", "stale", "failed"].includes(String(state)) &&
    ["edit", "delete", "title"].includes(String(type));
}

// Stores the outbox of one tab where all tabs can find it. Each message has its own key, so no tab
// overwrites another's, and belongs to a tab; a new tab adopts the messages of tabs that are gone.

import type { OutboxMessage, OutboxStore } from "./outbox.ts";
import { isTimestamp } from "./room.ts";
import { keysWithPrefix, readJson, removeKey, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

const messagePrefix = "parley.message.";
const tabPrefix = "parley.tab.";
const ownerKey = "parley.owner";
/** Browsers may run the timers of a hidden tab only once a minute. */
const tabTimeoutMs = 180_000;

/** The stored outbox of one tab. */
export class TabOutbox implements OutboxStore {
  readonly #shared: KeyValue;
  readonly #owner: string;
  readonly #now: () => number;

  /** All tabs have `shared` in common; `own` belongs to this tab and survives its reloads. */
  constructor(shared: KeyValue, own: KeyValue, newId: () => string, now: () => number) {
    this.#shared = shared;
    this.#now = now;
    const owner = readJson(own, ownerKey);
    this.#owner = typeof owner === "string" ? owner : newId();
    writeJson(own, ownerKey, this.#owner);
    this.heartbeat();
  }

  /** Tells other tabs that this one is open. Call it more often than every three minutes. */
  heartbeat(): void {
    writeJson(this.#shared, tabPrefix + this.#owner, this.#now());
  }

  /** Lets the next tab adopt this one's messages. */
  release(): void {
    removeKey(this.#shared, tabPrefix + this.#owner);
  }

  load(): readonly OutboxMessage[] {
    for (const key of keysWithPrefix(this.#shared, tabPrefix)) {
      if (this.#isGone(key.slice(tabPrefix.length))) removeKey(this.#shared, key);
    }
    const messages: OutboxMessage[] = [];
    for (const key of keysWithPrefix(this.#shared, messagePrefix)) {
      const stored = readJson(this.#shared, key);
      if (!isStoredMessage(stored)) {
        removeKey(this.#shared, key);
        continue;
      }
      const { owner, ...message } = stored;
      if (owner !== this.#owner) {
        if (!this.#isGone(owner)) continue;
        this.put(message);
      }
      messages.push(message);
    }
    return messages.sort((a, b) => a.at - b.at);
  }

  put(message: OutboxMessage): boolean {
    const key = messagePrefix + message.nonce;
    return writeJson(this.#shared, key, { ...message, owner: this.#owner });
  }

  remove(nonce: string): void {
    removeKey(this.#shared, messagePrefix + nonce);
  }

  #isGone(owner: string): boolean {
    const lastSeen = readJson(this.#shared, tabPrefix + owner);
    return typeof lastSeen !== "number" || this.#now() - lastSeen > tabTimeoutMs;
  }
}

function isStoredMessage(value: unknown): value is OutboxMessage & { readonly owner: string } {
  const { nonce, room, text, at, state, problem, owner } = Object(value) as Record<string, unknown>;
  const { code, message } = Object(problem ?? { code: "", message: "" }) as Record<string, unknown>;
  // The server rejects any other nonce without naming it, and the message would stay in flight.
  return /^[\w-]{1,36}$/.test(String(nonce)) && isTimestamp(at) &&
    [nonce, room, text, owner, code, message].every((field) => typeof field === "string") &&
    ["pending", "stale", "failed"].includes(String(state));
}

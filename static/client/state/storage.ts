// What a browser keeps for this page: the person's profile, rooms, how far they read, and the outbox. Any of it may be
// missing or full; nothing here throws. Pure over the two storages that come in.

import type { OutboxMessage, OutboxStore } from "./outbox.ts";
import { isTimestamp } from "./room.ts";

/** The part of the browser's `Storage` that is used. */
export interface KeyValue {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
  key(index: number): string | null;
  readonly length: number;
}

/** A storage for pages that may not have one: forgets with the page. */
export function memoryStorage(): KeyValue {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    key: (index) => [...values.keys()][index] ?? null,
    get length() {
      return values.size;
    },
  };
}

/** Reads a value; whatever cannot be read as JSON is as good as missing. */
export function readJson(storage: KeyValue, key: string): unknown {
  try {
    return JSON.parse(storage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** Keeps a value as JSON. Answers false when it could not be kept. */
export function writeJson(storage: KeyValue, key: string, value: unknown): boolean {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Removes a value, where there is one. */
export function removeKey(storage: KeyValue, key: string): void {
  try {
    storage.removeItem(key);
  } catch {
    // A storage that cannot be written has nothing to forget.
  }
}

/** The keys that begin with `prefix`. */
export function keysWithPrefix(storage: KeyValue, prefix: string): string[] {
  const keys: string[] = [];
  try {
    for (let i = 0; i < storage.length; i++) {
      const key = storage.key(i);
      if (key?.startsWith(prefix)) keys.push(key);
    }
  } catch {
    // A storage that cannot be read has no keys.
  }
  return keys;
}

const draftPrefix = "parley.draft.";
const draftMaxLength = 10_000;
const draftsMost = 40;

/** What was half written in a room. */
export function loadDraft(storage: KeyValue, room: string): string {
  const kept = readJson(storage, draftPrefix + room);
  return typeof kept === "string" ? kept : "";
}

/** Keeps what is half written, up to 10,000 characters, under a key of its room, so that no tab overwrites another's room. */
export function saveDraft(storage: KeyValue, room: string, text: string): void {
  if (text.trim() === "") removeKey(storage, draftPrefix + room);
  else writeJson(storage, draftPrefix + room, text.slice(0, draftMaxLength));
}

/** Forgets the drafts of rooms that are not `open`, when there are more than 40. */
export function pruneDrafts(storage: KeyValue, open: { has(room: string): boolean }): void {
  const keys = keysWithPrefix(storage, draftPrefix);
  if (keys.length <= draftsMost) return;
  for (const key of keys) if (!open.has(key.slice(draftPrefix.length))) removeKey(storage, key);
}

const messagePrefix = "parley.message.";
const tabPrefix = "parley.tab.";
const ownerKey = "parley.owner";
/** A tab that gave no sign for this long is gone; timers of hidden tabs may fire only once a minute. */
const goneMs = 180_000;

/** The outbox of one tab: a key for each message, so that no tab can overwrite another's. */
export class TabOutbox implements OutboxStore {
  readonly #shared: KeyValue;
  readonly #owner: string;
  readonly #now: () => number;

  /** `shared` is that of all tabs, `own` survives only the reload of this one. */
  constructor(shared: KeyValue, own: KeyValue, newId: () => string, now: () => number) {
    this.#shared = shared;
    this.#now = now;
    const known = readJson(own, ownerKey);
    this.#owner = typeof known === "string" ? known : newId();
    writeJson(own, ownerKey, this.#owner);
    this.heartbeat();
  }

  /** Says that this tab is still there. To be called more often than every three minutes. */
  heartbeat(): void {
    writeJson(this.#shared, tabPrefix + this.#owner, this.#now());
  }

  /** Says that this tab goes, so that the next may take its messages at once. */
  release(): void {
    removeKey(this.#shared, tabPrefix + this.#owner);
  }

  load(): readonly OutboxMessage[] {
    const found: OutboxMessage[] = [];
    for (const key of keysWithPrefix(this.#shared, tabPrefix)) {
      if (this.#isGone(key.slice(tabPrefix.length))) removeKey(this.#shared, key);
    }
    for (const key of keysWithPrefix(this.#shared, messagePrefix)) {
      const kept = readJson(this.#shared, key);
      if (!isKept(kept)) {
        removeKey(this.#shared, key);
        continue;
      }
      const { owner, ...message } = kept;
      if (owner !== this.#owner) {
        if (!this.#isGone(owner)) continue;
        this.put(message);
      }
      found.push(message);
    }
    return found.sort((one, other) => one.at - other.at);
  }

  put(message: OutboxMessage): boolean {
    return writeJson(this.#shared, messagePrefix + message.nonce, {
      ...message,
      owner: this.#owner,
    });
  }

  remove(nonce: string): void {
    removeKey(this.#shared, messagePrefix + nonce);
  }

  #isGone(owner: string): boolean {
    const seen = readJson(this.#shared, tabPrefix + owner);
    return typeof seen !== "number" || this.#now() - seen > goneMs;
  }
}

function isKept(value: unknown): value is OutboxMessage & { readonly owner: string } {
  if (typeof value !== "object" || value === null) return false;
  const { nonce, room, text, at, state, owner } = value as Record<string, unknown>;
  // The server cannot answer for another nonce, and the message would be on its way for ever.
  return /^[\w-]{1,36}$/.test(String(nonce)) && typeof room === "string" &&
    typeof text === "string" &&
    isTimestamp(at) && typeof owner === "string" &&
    (state === "waiting" || state === "asks" || state === "failed");
}

// Collects a tick's drafts and appends them to the log in one batch (law 1).

import type { AppendResult, Draft } from "./broker.ts";
import { whenDone } from "./outcome.ts";
import type { HubPorts } from "./ports.ts";
import type { ActiveSession } from "./session.ts";
import type { Ticker } from "./ticker.ts";

/**
 * Max edits and deletions per batch. Editing or deleting a long text can take 5 ms, because it
 * changes the search index, and messages must not wait for a hundred of these.
 */
const amendmentsMax = 2;

/** A draft and the session that sent it. */
export interface SentDraft {
  readonly active: ActiveSession;
  readonly draft: Draft;
  /** The draft's offset if its room had no entries, as far as the hub knew. */
  readonly firstOffset: number | undefined;
}

/** Receives a result for each draft of a batch; none if the broker failed. */
type OnAppended = (batch: readonly SentDraft[], results: readonly AppendResult[]) => void;

/** Appends drafts in batches, one at a time. */
export class Writer {
  readonly #ports: HubPorts;
  readonly #ticker: Ticker;
  readonly #onResults: OnAppended;
  #pending: SentDraft[] = [];
  #isAppending = false;
  #onAppended: (() => void) | undefined;

  constructor(ports: HubPorts, ticker: Ticker, onResults: OnAppended) {
    this.#ports = ports;
    this.#ticker = ticker;
    this.#onResults = onResults;
  }

  /** Adds a draft to the tick's batch. */
  add(active: ActiveSession, draft: Draft, firstOffset: number | undefined): void {
    active.writing++;
    this.#pending.push({ active, draft, firstOffset });
    this.#ticker.schedule();
  }

  /** Appends the pending drafts, unless a batch is being appended. */
  append(): void {
    if (!this.canAppend) return;
    const batch = this.#takeBatch();
    this.#isAppending = true;
    const { broker, clock, log, meter } = this.#ports;
    const drafts: Draft[] = [];
    for (const { draft } of batch) drafts.push(draft);
    const startedAt = clock.now();
    const onResults = (results: readonly AppendResult[]) => {
      this.#isAppending = false;
      meter?.append(clock.now() - startedAt);
      settle(batch);
      this.#onResults(batch, results);
      if (this.#pending.length > 0) this.#ticker.schedule();
      this.#onAppended?.();
    };
    const append = () => broker.append(drafts);
    whenDone(log, "append_failed", append, onResults, () => onResults([]), {
      messages: batch.length,
    });
  }

  /**
   * Removes the next batch from the pending drafts. Edits and deletions beyond the max wait, and so
   * do all later drafts of their sessions.
   */
  #takeBatch(): readonly SentDraft[] {
    const pending = this.#pending;
    const batch: SentDraft[] = [];
    const waiting = new Set<ActiveSession>();
    let amendments = 0;
    this.#pending = [];
    for (const sent of pending) {
      const { active, draft: { type } } = sent;
      const isAmendment = type === "edit" || type === "delete";
      if (isAmendment && ++amendments > amendmentsMax) waiting.add(active);
      if (waiting.size > 0 && waiting.has(active)) this.#pending.push(sent);
      else batch.push(sent);
    }
    return batch;
  }

  /** Whether there are pending drafts, and no batch is being appended. */
  get canAppend(): boolean {
    return !this.#isAppending && this.#pending.length > 0;
  }

  /** Whether a member has drafts for the next batch. */
  hasPending(member: string): boolean {
    return this.#pending.some(({ draft }) => draft.member === member);
  }

  /** Appends a session's drafts. Returns a promise if the broker has not stored all of them yet. */
  written(active: ActiveSession): Promise<void> | undefined {
    if (active.writing > 0) this.append();
    if (active.writing === 0) return undefined;
    return new Promise((resolve) => active.onWritten = resolve);
  }

  /** Whether the broker is appending a batch. */
  get isAppending(): boolean {
    return this.#isAppending;
  }

  /** Resolves once the current batch is appended. */
  whenAppended(): Promise<void> {
    return new Promise((resolve) => this.#onAppended = resolve);
  }

  /** Drops the pending drafts. */
  clear(): void {
    const dropped = this.#pending;
    this.#pending = [];
    settle(dropped);
  }
}

/** Marks drafts as settled by the broker, or dropped. */
function settle(batch: readonly SentDraft[]): void {
  for (const { active } of batch) {
    if (--active.writing === 0) active.onWritten?.();
  }
}

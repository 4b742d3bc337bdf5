// The feed that every node reads: its events, and how far this node has read it.

import type { Entry } from "../../chat/broker.ts";
import type { Position } from "../../protocol/wire.ts";
import type { PresenceChange } from "./presence.ts";
import type { Link } from "./redis_link.ts";
import type { SanctionEnd } from "./scripts.ts";

/** An event for every node. */
export type FeedEvent =
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  | { readonly kind: "pruned"; readonly room: string; readonly first: number }
  | {
    readonly kind: "presence";
    readonly node: string;
    readonly changes: readonly PresenceChange[];
  }
  | { readonly kind: "renamed"; readonly member: string; readonly username: string }
  | {
    readonly kind: "tab_moved";
    readonly node: string;
    readonly member: string;
    readonly tab: string;
  }
  | { readonly kind: "node_lost"; readonly node: string }
  /** Redis was paused, or its clock was set: the names of connected members may have expired. */
  | { readonly kind: "time_jumped" }
  /** Mutes and bans have changed. */
  | { readonly kind: "sanctions"; readonly ends: readonly SanctionEnd[] };

export interface FeedOptions {
  /** Max time that `reached` waits. */
  readonly timeoutMs: number;
  readonly later: (ms: number, task: () => void) => () => void;
  readonly onEvent: (event: FeedEvent) => void;
}

/** Reads the feed for this node, and keeps its position there. */
export class Feed {
  readonly #options: FeedOptions;
  #position = 0;
  /** Id of the last event known to exist. */
  #expected = 0;
  /** Resolves with the next batch of events; rejects when the link is lost. */
  #progress = Promise.withResolvers<void>();

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Id of the last event handled. */
  get position(): number {
    return this.#position;
  }

  /** Counts the feed up to `id` as handled. */
  startAt(id: number): void {
    this.#position = this.#expected = id;
  }

  /** Reports that an event with this id exists. */
  expect(id: number): void {
    this.#expected = Math.max(this.#expected, id);
  }

  /**
   * Counts the feed up to `id` as handled, and passes the events before it to `onSkipped`, unless
   * the feed has a gap.
   */
  async skipTo(id: number, link: Link, onSkipped: (event: FeedEvent) => void): Promise<void> {
    for (let at = this.#position; at < id;) {
      const events = await link.readFeed(at);
      if (events[0]?.after !== at) break;
      for (const event of events) {
        if (event.id <= id) onSkipped(JSON.parse(event.json));
        at = event.id;
      }
    }
    this.startAt(id);
  }

  /** Reads the feed until the link is lost. Gives up the link on an error or a gap in the feed. */
  async follow(link: Link): Promise<void> {
    try {
      while (link.isOpen) {
        const expected = this.#expected;
        const events = await link.readFeed(this.#position);
        const isTrimmed = events.length === 0 && this.#position < expected;
        if (isTrimmed) throw new Error("the feed has a gap");
        for (const { id, after, json } of events) {
          if (after !== this.#position) throw new Error("the feed has a gap");
          this.#options.onEvent(JSON.parse(json));
          this.#position = id;
        }
        this.#progress.resolve();
        this.#progress = Promise.withResolvers();
      }
    } catch (error) {
      link.lose(error);
    }
  }

  /** Resolves once all events up to `id` are handled. Rejects on a timeout or a lost link. */
  async reached(id: number): Promise<void> {
    if (this.#position >= id) return;
    const late = Promise.withResolvers<never>();
    const { later, timeoutMs } = this.#options;
    const cancel = later(
      timeoutMs,
      () => late.reject(new Error("the feed did not arrive in time")),
    );
    try {
      while (this.#position < id) await Promise.race([this.#progress.promise, late.promise]);
    } finally {
      cancel();
    }
  }

  /** Rejects every pending `reached`. */
  interrupt(error: Error): void {
    this.#progress.promise.catch(() => {});
    this.#progress.reject(error);
    this.#progress = Promise.withResolvers();
  }
}

/**
 * Returns the entries not delivered yet, and counts them as delivered. A page that loaded the room
 * or filled a gap may have contained some of them already.
 */
export function takeUndelivered(
  delivered: Map<string, Position>,
  entries: readonly Entry[],
): readonly Entry[] {
  return entries.filter(({ room, epoch, offset }) => {
    const last = delivered.get(room);
    if (last === undefined) return true;
    if (offset <= last.offset) return false;
    delivered.set(room, { epoch, offset });
    return true;
  });
}

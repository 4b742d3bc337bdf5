// One room as this page sees it: its log, its roster, and its unread messages. Pure: it sends and
// draws nothing.

import type { EntryPush, HistoryPush, RoomPush } from "../../../app/protocol/wire.ts";
import { LoadedLog } from "./loaded_log.ts";
import type { Snapshot } from "./message.ts";
import type { Problem } from "./problem.ts";
import { Roster } from "./roster.ts";
import { UnreadMessages } from "./unread.ts";

export class Room {
  readonly name: string;
  readonly log = new LoadedLog();
  readonly unread = new UnreadMessages(this.log);
  readonly roster = new Roster();
  /** Whether this connection has joined the room, and whether it is still loading pages. */
  phase: "not_joined" | "catching_up" | "live" = "not_joined";
  /** Whether this connection has loaded all pages once. Only then may messages be sent. */
  isJoined = false;
  /** Why the server asked to wait before sending more messages. */
  waitReason: Problem | undefined;
  title: string | undefined;
  /** Handles the requested page of history. */
  onHistory: ((push: HistoryPush) => void) | undefined;
  isLoadingOlder = false;
  /** True until a snapshot or the first complete page was applied. */
  isFirstVisit = true;

  constructor(name: string) {
    this.name = name;
  }

  /** Starts from a snapshot, if nothing is loaded yet. */
  restore(snapshot: Snapshot): void {
    if (this.log.position !== undefined) return;
    this.log.restore(snapshot);
    this.isFirstVisit = false;
    // Without a stored read offset, all messages count as read.
    if (this.unread.readOffset === 0) this.unread.markRead();
  }

  /**
   * Applies a page of a join. Returns false if the page leaves a hole. The unread messages must be
   * recounted afterwards.
   */
  applyPage(push: RoomPush): boolean {
    const { log, roster, unread } = this;
    if (!log.applyPage(push)) return false;
    if (!push.recovered) {
      roster.events = [];
      if (log.wasReset) unread.reset();
    }
    this.title = push.title;
    this.phase = push.more ? "catching_up" : "live";
    if (!push.more) {
      this.isFirstVisit = false;
      // A restored log can end before the read offset.
      unread.readOffset = Math.min(unread.readOffset, push.offset);
    }
    if (push.count !== undefined) roster.replace(push.count, push.members);
    return true;
  }

  /** Appends a live entry. On a gap the room must be joined again from its position. */
  append(push: EntryPush): "applied" | "duplicate" | "gap" {
    const result = this.log.append(push);
    if (result !== "applied") return result;
    if (push.type === "title") this.title = push.text;
    if (push.type === "delete") {
      if (push.untitled) this.title = undefined;
      this.unread.delete(push.targets);
    }
    return result;
  }

  /** Drops old messages if there are many. Call it only while the reader is at the end. */
  trim(): void {
    const { log, roster } = this;
    if (!log.trim()) return;
    roster.events = roster.events.filter(({ afterOffset }) => afterOffset >= log.oldest);
  }

  /** Stops being live: the room must be joined again. */
  suspend(phase: "not_joined" | "catching_up"): void {
    if (this.phase === "live") this.unread.suspend();
    this.phase = phase;
  }

  /** Resets the state of a lost connection. */
  disconnect(): void {
    this.suspend("not_joined");
    this.isJoined = this.isLoadingOlder = false;
    this.waitReason = undefined;
    this.roster.typing = [];
  }
}

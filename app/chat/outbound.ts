// Sends at most one frame per session and tick, and none to slow consumers (laws 1 and 7).

import { utf8Length } from "../protocol/text.ts";
import type { Push } from "../protocol/wire.ts";
import type { HubPorts, HubSettings } from "./ports.ts";
import type { Room } from "./room.ts";
import type { Rooms } from "./rooms.ts";
import type { Session, Subscription } from "./session.ts";
import type { Ticker } from "./ticker.ts";

interface OutboundOptions {
  readonly ports: HubPorts;
  readonly settings: HubSettings;
  readonly ticker: Ticker;
  readonly rooms: Rooms;
  /** Called instead of sending a frame that would exceed `outboxMaxBytes`. */
  readonly onSlowConsumer: (session: Session) => void;
}

/** Collects pushes and sends them with the tick. */
export class Outbound {
  readonly #options: OutboundOptions;
  /** Sessions that have queued pushes. */
  #touchedSessions = new Set<Session>();
  /** Rooms that have pushes or may be empty. */
  #touchedRooms = new Set<Room>();
  /** The sessions with a live subscription, by room. */
  readonly #live = new Map<Room, Set<Session>>();
  /** Subscriptions that went live in this tick. */
  #goneLive: Subscription[] = [];
  #framesSent = 0;

  constructor(options: OutboundOptions) {
    this.#options = options;
  }

  /** Queues a push for one session. */
  queue(session: Session, push: Push): void {
    this.queueJson(session, JSON.stringify(push));
  }

  /** Queues an encoded push, or several separated by commas, for one session. */
  queueJson(session: Session, json: string): void {
    if (session.state.kind === "closing") return;
    session.queued.push(json);
    session.queuedLength += json.length;
    this.#touchedSessions.add(session);
    this.#options.ticker.schedule();
  }

  /** Makes the next flush send a room's pushes and forget the room if it is empty. */
  touch(room: Room): void {
    this.#touchedRooms.add(room);
    this.#options.ticker.schedule();
  }

  /**
   * Makes a subscription live. It receives the room's pushes from the next tick on, because its
   * `room` push covers those of this tick.
   */
  goLive(subscription: Subscription): void {
    subscription.isLive = true;
    this.#goneLive.push(subscription);
  }

  /** Queues a room's pushes of this tick for a session that is about to leave the room. */
  queuePushes({ room, active }: Subscription): void {
    const { session } = active;
    if (room.pushes.length === 0 || !this.#live.get(room)?.has(session)) return;
    this.queueJson(session, room.pushes.join(","));
  }

  /** Stops sending a subscription the room's pushes. */
  endLive(subscription: Subscription): void {
    const { room, active: { session } } = subscription;
    subscription.isLive = false;
    const live = this.#live.get(room);
    if (!live?.delete(session)) return;
    session.liveCount--;
    if (live.size === 0) this.#live.delete(room);
  }

  /** Drops a session's queued pushes. */
  drop(session: Session): void {
    session.queued = [];
    session.queuedLength = 0;
    this.#touchedSessions.delete(session);
  }

  /** Sends the tick's pushes. */
  flush(): void {
    const now = this.#options.ports.clock.now();
    const rooms = this.#touchedRooms;
    this.#touchedRooms = new Set();
    for (const room of rooms) {
      room.roster.pushTyping(now);
      if (room.pushes.length > 0) this.#flushRoom(room);
      this.#options.rooms.forgetIfEmpty(room);
    }
    const sessions = this.#touchedSessions;
    this.#touchedSessions = new Set();
    for (const session of sessions) this.sendQueued(session);
    if (this.#goneLive.length > 0) this.#addLive();
  }

  /** Whether something was queued or touched since the last flush. */
  get isPending(): boolean {
    return this.#touchedSessions.size + this.#touchedRooms.size > 0;
  }

  /** Returns the number of frames sent since the last call. */
  takeFramesSent(): number {
    const count = this.#framesSent;
    this.#framesSent = 0;
    return count;
  }

  /** Sends a session's queued pushes in one frame. */
  sendQueued(session: Session): void {
    if (session.queued.length === 0) return;
    const frame = `[${session.queued.join(",")}]`;
    session.queued = [];
    session.queuedLength = 0;
    this.sendFrame(session, frame);
  }

  /** Sends one frame, or ends the session if it is a slow consumer. */
  sendFrame(session: Session, frame: string): void {
    const { socket } = session;
    const { outboxMaxBytes } = this.#options.settings;
    // An upper bound: a UTF-16 code unit takes at most three bytes in UTF-8.
    const maxBytes = frame.length * 3;
    // Reading `buffered` costs a tenth of a send, so read it only if the limit might be exceeded.
    if (session.bufferedMax + maxBytes > outboxMaxBytes) {
      session.bufferedMax = socket.buffered;
      if (
        session.bufferedMax > 0 && session.bufferedMax + maxBytes > outboxMaxBytes &&
        session.bufferedMax + utf8Length(frame) > outboxMaxBytes
      ) return this.#options.onSlowConsumer(session);
    }
    session.bufferedMax += maxBytes;
    session.frameCount++;
    this.#framesSent++;
    socket.send(frame);
  }

  #flushRoom(room: Room): void {
    const { pushes } = room;
    room.pushes = [];
    const live = this.#live.get(room);
    if (live === undefined) return;
    this.#options.ports.meter?.deliveries(pushes.length * live.size);
    const body = pushes.join(",");
    const frame = `[${body}]`;
    for (const session of live) {
      // Most sessions are in one room and have nothing else queued: they share the frame.
      if (session.queuedLength === 0 && session.liveCount === 1) this.sendFrame(session, frame);
      else this.queueJson(session, body);
    }
  }

  #addLive(): void {
    for (const { room, active, isLive } of this.#goneLive) {
      // The room may have been left or joined again in this tick.
      if (!isLive) continue;
      const live = this.#live.getOrInsertComputed(room, () => new Set());
      // After two joins, it went live twice.
      if (!live.has(active.session)) active.session.liveCount++;
      live.add(active.session);
    }
    this.#goneLive = [];
  }
}

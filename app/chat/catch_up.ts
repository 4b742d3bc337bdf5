// How a session catches up with a room: pages of the log from memory or the broker, until it has all and goes live. One
// reader for joining, resuming and repairing a hole.

import { limits } from "../protocol/wire.ts";
import type { ErrorPush, LeftReason } from "../protocol/wire.ts";
import { whenDone } from "./outcome.ts";
import type { HubPorts } from "./ports.ts";
import { storageUnavailable } from "./refusals.ts";
import { byteLength, continuing, encodeEntries, fitting, joined } from "./room.ts";
import type { Room, Slice } from "./room.ts";
import type { Join, Member, Session, Subscription } from "./session.ts";

/** What the hub does for those who catch up. */
export interface CatchUpHost {
  /** Sends a session an encoded push with this tick. */
  own(session: Session, json: string): void;
  refuse(session: Session, push: ErrorPush): void;
  /** Lets the network of a session pay for bytes. */
  charge(session: Session, member: string, bytes: number): void;
  /** Takes a session out of a room. */
  vacate(
    session: Session,
    member: Member,
    place: Subscription,
    reason: LeftReason | undefined,
  ): void;
  touchRoom(room: Room): void;
  tickSoon(): void;
}

/** The joins that are not answered yet. */
export class CatchUp {
  readonly #ports: HubPorts;
  readonly #host: CatchUpHost;
  readonly #joining = new Set<Session>();

  constructor(ports: HubPorts, host: CatchUpHost) {
    this.#ports = ports;
    this.#host = host;
  }

  /** Owes a session a `room` push. */
  add(session: Session, join: Join): void {
    session.joins.push(join);
    this.#joining.add(session);
  }

  /** Forgets what a session is owed. */
  drop(session: Session): void {
    session.joins.length = 0;
    this.#joining.delete(session);
  }

  /** Answers joins, as far as memory or what the broker has read allows; at the end of a tick, when its messages are in. */
  serve(): void {
    for (const session of this.#joining) this.#serve(session);
  }

  /** Answers a session's joins in order, as far as the broker has read for them. */
  #serve(session: Session): void {
    while (!session.reading) {
      const next = session.joins[0];
      if (next === undefined) {
        this.#joining.delete(session);
        return;
      }
      const { subscription } = next;
      if (this.#isVoid(session, subscription)) session.joins.shift();
      else if (!subscription.room.loaded) {
        if (subscription.room.loading) return;
        this.#load(session, next);
      } else {
        const slice = sliceFor(next);
        if (slice === "read") this.#readAfter(session, next);
        else if (slice === "wait") return;
        else this.#finish(session, next, slice);
      }
    }
  }

  #isVoid(session: Session, place: Subscription): boolean {
    return session.subscriptions.get(place.room.name) !== place;
  }

  /** Reads the end of a room's log when the first session comes in. */
  #load(session: Session, { subscription }: Join): void {
    const { broker, log } = this.#ports;
    const { room } = subscription;
    room.loading = true;
    const query = {
      before: Infinity,
      limit: limits.historyMax,
      maxBytes: limits.pageMaxBytes,
    };
    whenDone(
      () => broker.read(room.name, query),
      (page) => {
        room.loading = false;
        room.load(page);
        // Everybody may have gone meanwhile.
        this.#host.touchRoom(room);
      },
      (error) => {
        room.loading = false;
        this.#fail(session, room, error);
      },
      log,
    );
  }

  /** Reads what memory does not reach. */
  #readAfter(session: Session, next: Join): void {
    const { subscription: { room }, position } = next;
    if (position === undefined) return;
    const { broker, log } = this.#ports;
    session.reading = true;
    const maxBytes = pageBytes(next);
    const query = { after: position, limit: limits.resumeMax, maxBytes };
    whenDone(
      () => broker.read(room.name, query),
      (page) => {
        session.reading = false;
        next.page = page;
        this.#host.tickSoon();
      },
      (error) => {
        session.reading = false;
        this.#fail(session, room, error);
      },
      log,
    );
  }

  /** The log cannot be read: the room is left again, and the client tries again. */
  #fail(session: Session, room: Room, error: unknown): void {
    this.#ports.log.error("read", error, { room: room.name });
    const waiting = [...this.#joining.add(session)].filter((joining) =>
      joining.joins[0]?.subscription.room === room
    );
    for (const joining of waiting) {
      const [failed, others] = partition(
        joining.joins,
        ({ subscription }) => subscription.room === room,
      );
      joining.joins.splice(0, Infinity, ...others);
      const place = joining.subscriptions.get(room.name);
      if (place === undefined) continue;
      joining.subscriptions.delete(room.name);
      if (joining.state.kind === "active") {
        this.#host.vacate(joining, joining.state.member, place, undefined);
      }
      for (const _ of failed) {
        this.#host.refuse(joining, storageUnavailable({ re: "join", room: room.name }));
      }
    }
    this.#host.tickSoon();
  }

  #finish(session: Session, next: Join, slice: Slice): void {
    session.joins.shift();
    const { state } = session;
    if (state.kind !== "active") return;
    const { subscription, budget } = next;
    const { room } = subscription;
    const { entries, recovered, missed, end } = slice;
    const bytes = byteLength(entries);
    budget.bytes -= bytes;
    this.#host.charge(session, state.member.id, bytes);
    const more = end.offset < room.head.offset;
    let json =
      `{"type":"room","room":"${room.name}","epoch":"${end.epoch}","first":${room.first},"offset":${end.offset},"messages":[${
        joined(entries)
      }],"more":${more},"recovered":${recovered}`;
    if (missed > 0) json += `,"missed":${missed}`;
    if (!more) {
      json += `,"count":${room.count}`;
      const members = room.membersJson;
      if (members !== undefined) json += `,"members":${members}`;
      // Marked now, sent to from the next tick on: this push has all that the room says in this one.
      subscription.live = true;
      const wasThere = next.position !== undefined;
      this.#ports.meter?.join(recovered ? "recovered" : wasThere ? "lost" : "new");
      this.#ports.log.event("join", {
        session: session.id,
        name: session.username,
        room: room.name,
        offset: end.offset,
        recovered,
        missed: missed > 0 ? missed : undefined,
      });
    }
    this.#host.own(session, json + "}");
    this.#host.touchRoom(room);
  }
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): readonly [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}

function pageBytes({ budget }: Join): number {
  return Math.max(0, Math.min(budget.bytes, limits.pageMaxBytes));
}

/** What a join is sent; or that the log has to be read for it; or that it waits until this node has heard what was read. */
function sliceFor(next: Join): Slice | "read" | "wait" {
  const { subscription: { room }, position, page } = next;
  const maxBytes = pageBytes(next);
  if (position === undefined) return room.newest(maxBytes, undefined);
  if (page === undefined) return room.after(position, maxBytes) ?? "read";
  if (!page.valid) return room.newest(maxBytes, undefined);
  if (page.head.offset > room.head.offset) return "wait";
  const behind = room.head.offset - position.offset;
  if (behind > limits.resumeMax || page.first > position.offset + 1) {
    return room.newest(maxBytes, position.offset);
  }
  const read = fitting(encodeEntries(page.entries, position.epoch), maxBytes);
  const { end } = continuing(position, read);
  // What came in while the log was read is in memory, and follows.
  const since = room.after(end, maxBytes - byteLength(read));
  const entries = since?.recovered ? [...read, ...since.entries] : read;
  return continuing(position, entries);
}

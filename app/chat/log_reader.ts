// The paged reader (law 5): joining, resuming, repairing a hole and scrolling back all read the log through it.

import { limits } from "../protocol/wire.ts";
import type { ErrorPush, HistoryCommand, Position } from "../protocol/wire.ts";
import type { Page, ReadQuery } from "./broker.ts";
import { byteLength, encodeEntries, jsonElements, prefixWithin, sliceAfter } from "./entries.ts";
import type { Slice } from "./entries.ts";
import type { Members } from "./members.ts";
import { whenDone } from "./outcome.ts";
import type { Outbound } from "./outbound.ts";
import type { HubPorts } from "./ports.ts";
import type { Quotas } from "./quotas.ts";
import { storageUnavailable } from "./refusals.ts";
import type { Room } from "./room.ts";
import type {
  ActiveSession,
  HistoryRequest,
  JoinRequest,
  PageRequest,
  Session,
  Subscription,
} from "./session.ts";
import type { Ticker } from "./ticker.ts";

/** What a reader works with. */
export interface LogReaderOptions {
  readonly ports: HubPorts;
  readonly ticker: Ticker;
  readonly outbound: Outbound;
  readonly quotas: Quotas;
  readonly members: Members;
  readonly refuse: (session: Session, push: ErrorPush) => void;
}

/** Sends sessions the pages they wait for: those of one session in order, one read at a time. */
export class LogReader {
  readonly #options: LogReaderOptions;
  readonly #waiting = new Set<ActiveSession>();

  constructor(options: LogReaderOptions) {
    this.#options = options;
  }

  /**
   * Owes a session a `room` push, from `position` on or the newest entries. It is sent at the end of a
   * tick; with the last page the subscription goes live.
   */
  join(subscription: Subscription, position: Position | undefined): void {
    const { active } = subscription;
    const isFirst = !active.pages.some(({ kind }) => kind === "join");
    if (isFirst) active.pageBytesLeft = limits.helloMaxBytes;
    active.pages.push({ kind: "join", subscription, position, page: undefined });
    this.#waiting.add(active);
    this.#options.ticker.soon();
  }

  /** Owes a session a `history` push, which is read at once unless it waits for other pages. */
  history(active: ActiveSession, { room, before, limit }: HistoryCommand): void {
    active.pages.push({ kind: "history", room, before, limit });
    this.#waiting.add(active);
    if (active.pages.length === 1) this.#serve(active);
  }

  /** Forgets what a session waits for. */
  drop(active: ActiveSession): void {
    active.pages = [];
    this.#waiting.delete(active);
  }

  /** Sends pages as far as memory and finished reads allow. Called once per tick, after its messages are in. */
  serve(): void {
    for (const active of this.#waiting) this.#serve(active);
  }

  #serve(active: ActiveSession): void {
    while (!active.isReading) {
      const request = active.pages[0];
      if (request === undefined) {
        this.#waiting.delete(active);
        return;
      }
      if (request.kind === "history") this.#readHistory(active, request);
      else if (isVoid(request)) active.pages.shift();
      else if (!this.#serveJoin(request)) return;
    }
  }

  /** Sends the page of a join or starts reading it. Returns false if it has to wait for another event. */
  #serveJoin(request: JoinRequest): boolean {
    const { subscription: { active, room }, position, page } = request;
    if (room.state === "reading") return false;
    const maxBytes = Math.max(0, Math.min(active.pageBytesLeft, limits.pageMaxBytes));
    if (room.state === "unread") this.#readEnd(room);
    else if (position === undefined) this.#send(request, room.newest(maxBytes));
    else if (page === undefined) {
      const slice = room.after(position, maxBytes);
      if (slice === undefined) this.#readAfter(request, position, maxBytes);
      else this.#send(request, slice);
    } else if (!page.valid) this.#send(request, room.newest(maxBytes));
    else if (page.head.offset > room.head.offset) {
      // The page has entries that this node has not been told of yet.
      return false;
    } else this.#send(request, slicePage(room, position, page, maxBytes));
    return true;
  }

  /** Reads the end of a room's log when its first session joins. */
  #readEnd(room: Room): void {
    const query = { before: Infinity, limit: limits.historyMax, maxBytes: limits.pageMaxBytes };
    room.state = "reading";
    this.#read(room.name, query, (page) => {
      room.load(page);
      // Everybody may have left by now.
      this.#options.outbound.touch(room);
    }, () => {
      room.state = "unread";
      this.#failJoins(room);
    });
  }

  /** Reads entries that memory no longer has. */
  #readAfter(request: JoinRequest, position: Position, maxBytes: number): void {
    const { active, room } = request.subscription;
    const query = { after: position, limit: limits.resumeMax, maxBytes };
    active.isReading = true;
    this.#read(room.name, query, (page) => {
      active.isReading = false;
      request.page = page;
      this.#options.ticker.soon();
    }, () => {
      active.isReading = false;
      this.#failJoins(room);
    });
  }

  #readHistory(active: ActiveSession, request: HistoryRequest): void {
    const { session } = active;
    const { room, before, limit } = request;
    const maxBytes = Math.max(0, limits.helloMaxBytes - session.queuedLength);
    const query = { before, limit, maxBytes: Math.min(maxBytes, limits.pageMaxBytes) };
    const finish = () => {
      active.isReading = false;
      if (active.pages[0] === request) active.pages.shift();
    };
    active.isReading = true;
    this.#read(room, query, ({ entries, first }) => {
      finish();
      const encoded = encodeEntries(entries, undefined);
      this.#options.quotas.chargeBytes(active.payer, byteLength(encoded));
      const messages = jsonElements(encoded);
      const json = `{"type":"history","room":"${room}","messages":[${messages}],"first":${first}}`;
      this.#options.outbound.queueJson(session, json);
    }, () => {
      finish();
      this.#options.refuse(session, storageUnavailable({ re: "history", room }));
    });
  }

  #read(
    room: string,
    query: ReadQuery,
    done: (page: Page) => void,
    failed: () => void,
  ): void {
    const { broker, log } = this.#options.ports;
    whenDone(() => broker.read(room, query), done, (error) => {
      log.error("read", error, { room });
      failed();
    }, log);
  }

  /** Ends the joins that wait for a room whose log cannot be read. Their clients retry. */
  #failJoins(room: Room): void {
    const { members, refuse, ticker } = this.#options;
    const isFailed = (request: PageRequest | undefined) =>
      request?.kind === "join" && request.subscription.room === room;
    for (const active of [...this.#waiting]) {
      const { pages } = active;
      if (!isFailed(pages[0])) continue;
      active.pages = pages.filter((request) => !isFailed(request));
      const subscription = active.subscriptions.get(room.name);
      if (subscription === undefined) continue;
      members.unsubscribe(subscription, undefined);
      for (let i = active.pages.length; i < pages.length; i++) {
        refuse(active.session, storageUnavailable({ re: "join", room: room.name }));
      }
    }
    ticker.soon();
  }

  #send({ subscription, position }: JoinRequest, slice: Slice): void {
    const { outbound, ports: { log, meter }, quotas } = this.#options;
    const { active, room } = subscription;
    const { entries, recovered, missed, end } = slice;
    active.pages.shift();
    const bytes = byteLength(entries);
    active.pageBytesLeft -= bytes;
    quotas.chargeBytes(active.payer, bytes);
    const more = end.offset < room.head.offset;
    let json = `{"type":"room","room":"${room.name}","epoch":"${end.epoch}",` +
      `"first":${room.first},"offset":${end.offset},"messages":[${jsonElements(entries)}],` +
      `"more":${more},"recovered":${recovered}`;
    if (missed > 0) json += `,"missed":${missed}`;
    if (!more) {
      const { count, membersJson } = room.roster;
      json += `,"count":${count}`;
      if (membersJson !== undefined) json += `,"members":${membersJson}`;
      outbound.goLive(subscription);
      meter?.join(recovered ? "recovered" : position === undefined ? "new" : "lost");
      log.event("join", {
        session: active.session.id,
        name: active.member.username,
        room: room.name,
        offset: end.offset,
        recovered,
        missed: missed > 0 ? missed : undefined,
      });
    }
    outbound.queueJson(active.session, json + "}");
    outbound.touch(room);
  }
}

/** Whether the room was left since, or joined again. */
function isVoid({ subscription }: JoinRequest): boolean {
  const { active, room } = subscription;
  return active.subscriptions.get(room.name) !== subscription;
}

/** Returns what a resume is sent: the page that was read, and what memory has after it. */
function slicePage(room: Room, position: Position, page: Page, maxBytes: number): Slice {
  const behind = room.head.offset - position.offset;
  if (behind > limits.resumeMax || page.first > position.offset + 1) {
    return room.newest(maxBytes, position.offset);
  }
  const read = prefixWithin(encodeEntries(page.entries, position.epoch), maxBytes);
  const { end } = sliceAfter(position, read);
  const later = room.after(end, maxBytes - byteLength(read));
  return sliceAfter(position, later?.recovered ? [...read, ...later.entries] : read);
}

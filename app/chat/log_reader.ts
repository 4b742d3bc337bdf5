// The only reader of logs for sessions (law 5): serves joins, resumes, gaps and history by pages.

import { hubLimits } from "../protocol/wire.ts";
import type { HistoryCommand, Position } from "../protocol/wire.ts";
import type { Page, ReadQuery } from "./broker.ts";
import {
  amend,
  byteLength,
  encodeEntries,
  jsonElements,
  prefixWithin,
  sliceAfter,
} from "./entries.ts";
import type { EncodedEntry, Slice } from "./entries.ts";
import type { HubCore } from "./hub_core.ts";
import type { Members } from "./members.ts";
import { whenDone } from "./outcome.ts";
import { storageUnavailable } from "./refusals.ts";
import type { Room } from "./room.ts";
import type {
  ActiveSession,
  HistoryRequest,
  JoinRequest,
  PageRequest,
  Subscription,
} from "./session.ts";

/** Sends sessions the pages they request: for each session in order, one read at a time. */
export class LogReader {
  readonly #hub: HubCore;
  readonly #members: Members;
  readonly #pending = new Set<ActiveSession>();

  constructor(hub: HubCore, members: Members) {
    this.#hub = hub;
    this.#members = members;
  }

  /**
   * Requests a `room` push: the entries after `position`, or the newest. It is sent at the end of a
   * tick; if it includes the last entries, the subscription goes live.
   */
  join(subscription: Subscription, position: Position | undefined): void {
    const { active } = subscription;
    const isFirst = !active.pages.some(({ kind }) => kind === "join");
    if (isFirst) active.pageBytesLeft = hubLimits.helloMaxBytes;
    active.pages.push({ kind: "join", subscription, position, page: undefined });
    this.#pending.add(active);
    this.#hub.ticker.schedule();
  }

  /** Requests a `history` push. Its page is read at once unless other pages are pending. */
  history(active: ActiveSession, { room, before, limit }: HistoryCommand): void {
    active.pages.push({ kind: "history", room, before, limit });
    this.#pending.add(active);
    if (active.pages.length === 1) this.#serve(active);
  }

  /** Forgets a session's requests. */
  drop(active: ActiveSession): void {
    active.pages = [];
    this.#pending.delete(active);
  }

  /** Sends the pages that are ready. Called once per tick, after its messages are delivered. */
  serve(): void {
    for (const active of this.#pending) this.#serve(active);
  }

  #serve(active: ActiveSession): void {
    while (!active.isReading) {
      const request = active.pages[0];
      if (request === undefined) {
        this.#pending.delete(active);
        return;
      }
      if (request.kind === "history") this.#readHistory(active, request);
      else if (isStale(request)) active.pages.shift();
      else if (!this.#serveJoin(request)) return;
    }
  }

  /** Sends a `room` push or starts reading for it. Returns false if it must wait. */
  #serveJoin(request: JoinRequest): boolean {
    const { subscription: { active, room }, position, page } = request;
    if (room.state === "reading") return false;
    const maxBytes = Math.max(0, Math.min(active.pageBytesLeft, hubLimits.pageMaxBytes));
    if (room.state === "unread") {
      this.#readEnd(room);
      return true;
    }
    if (position === undefined || page?.valid === false) {
      this.#send(request, room.newest(maxBytes));
      return true;
    }
    // The broker has not reported all entries of the page to this node yet.
    if (page !== undefined && page.head.offset > room.head.offset) return false;
    const slice = page === undefined
      ? room.after(position, maxBytes)
      : slicePage(room, position, page, maxBytes);
    if (slice === undefined) this.#readAfter(request, position, maxBytes);
    else this.#send(request, slice);
    return true;
  }

  /** Reads the end of a room's log when its first session joins. */
  #readEnd(room: Room): void {
    const query = {
      before: Infinity,
      limit: hubLimits.historyMax,
      maxBytes: hubLimits.pageMaxBytes,
    };
    room.state = "reading";
    this.#read(room.name, query, (page) => {
      room.load(page);
      // All sessions may have left by now.
      this.#hub.outbound.touch(room);
    }, () => {
      room.state = "unread";
      this.#failJoins(room);
      this.#hub.outbound.touch(room);
    });
  }

  /** Reads entries that are no longer in memory. */
  #readAfter(request: JoinRequest, position: Position, maxBytes: number): void {
    const { active, room } = request.subscription;
    const query = { after: position, limit: hubLimits.resumeMax, maxBytes };
    active.isReading = true;
    this.#read(room.name, query, (page) => {
      active.isReading = false;
      request.page = page;
      this.#hub.ticker.schedule();
    }, () => {
      active.isReading = false;
      this.#failJoins(room);
    });
  }

  #readHistory(active: ActiveSession, request: HistoryRequest): void {
    const { session } = active;
    const { room, before, limit } = request;
    const maxBytes = Math.max(0, hubLimits.helloMaxBytes - session.queuedLength);
    const query = { before, limit, maxBytes: Math.min(maxBytes, hubLimits.pageMaxBytes) };
    const finish = () => {
      active.isReading = false;
      if (active.pages[0] === request) active.pages.shift();
    };
    active.isReading = true;
    this.#read(room, query, (page) => {
      const joined = active.subscriptions.get(room)?.room;
      const encoded = encodePage(page, joined);
      // Memory no longer reaches back to the page: read again.
      if (encoded === undefined) return this.#readHistory(active, request);
      finish();
      const { first } = page;
      const head = Math.max(page.head.offset, joined?.head.offset ?? 0);
      this.#hub.quotas.chargeBytes(active.payer, byteLength(encoded));
      const messages = jsonElements(encoded);
      const json = `{"type":"history","room":"${room}","messages":[${messages}],` +
        `"first":${first},"head":${head}}`;
      this.#hub.outbound.queueJson(session, json);
    }, () => {
      finish();
      this.#hub.sessions.refuse(session, storageUnavailable({ re: "history", room }));
    });
  }

  #read(room: string, query: ReadQuery, onPage: (page: Page) => void, onError: () => void): void {
    const { broker, log } = this.#hub.ports;
    whenDone(log, "read_failed", () => broker.read(room, query), onPage, onError, { room });
  }

  /** Fails the joins of a room whose log cannot be read. The clients retry. */
  #failJoins(room: Room): void {
    const { sessions, ticker } = this.#hub;
    const isFailed = (request: PageRequest | undefined) =>
      request?.kind === "join" && request.subscription.room === room;
    for (const active of [...this.#pending]) {
      const { pages } = active;
      if (!isFailed(pages[0])) continue;
      active.pages = pages.filter((request) => !isFailed(request));
      const subscription = active.subscriptions.get(room.name);
      if (subscription === undefined) continue;
      this.#members.unsubscribe(subscription, undefined);
      for (let i = active.pages.length; i < pages.length; i++) {
        sessions.refuse(active.session, storageUnavailable({ re: "join", room: room.name }));
      }
    }
    ticker.schedule();
  }

  #send({ subscription, position }: JoinRequest, slice: Slice): void {
    const { outbound, ports: { log, meter }, quotas } = this.#hub;
    const { active, room } = subscription;
    const { entries, recovered, missed, end } = slice;
    active.pages.shift();
    const bytes = byteLength(entries);
    active.pageBytesLeft -= bytes;
    const more = end.offset < room.head.offset;
    const membersJson = more ? undefined : room.roster.membersJson;
    quotas.chargeBytes(active.payer, bytes + (membersJson?.length ?? 0));
    let json = `{"type":"room","room":"${room.name}","epoch":"${end.epoch}",` +
      `"first":${room.first},"offset":${end.offset},"messages":[${jsonElements(entries)}],` +
      `"more":${more},"recovered":${recovered}`;
    if (room.title !== undefined) json += `,"title":${JSON.stringify(room.title)}`;
    if (missed > 0) json += `,"missed":${missed}`;
    if (!more) {
      json += `,"count":${room.roster.count}`;
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
      }, active.payer.network);
    }
    outbound.queueJson(active.session, json + "}");
    outbound.touch(room);
  }
}

/** Whether the session has left the room since it requested the page. */
function isStale({ subscription }: JoinRequest): boolean {
  const { active, room } = subscription;
  return active.subscriptions.get(room.name) !== subscription;
}

/**
 * Encodes a page from the broker, and applies later edits and deletions to it. Returns `undefined`
 * if memory does not reach back to the page's head.
 */
function encodePage(
  { entries, head }: Page,
  room: Room | undefined,
  previousEpoch?: string,
): EncodedEntry[] | undefined {
  const encoded = encodeEntries(entries, previousEpoch);
  // A session that has not been sent the end of the log yet will get the later entries.
  if (room?.state !== "read") return encoded;
  const since = room.since(head.offset);
  for (const amendment of since?.amendments ?? []) amend(encoded, amendment);
  return since && encoded;
}

/**
 * Returns the entries of a page from the broker, followed by newer ones from memory, or `undefined`
 * if memory does not reach back to the page's head.
 */
function slicePage(
  room: Room,
  position: Position,
  page: Page,
  maxBytes: number,
): Slice | undefined {
  const encoded = encodePage(page, room, position.epoch);
  if (encoded === undefined) return undefined;
  const behind = (page.behind ?? 0) + (room.since(page.head.offset)?.messages ?? 0);
  if (behind > hubLimits.resumeMax || page.first > position.offset + 1) {
    return room.newest(maxBytes, behind);
  }
  const read = prefixWithin(encoded, maxBytes);
  const { end } = sliceAfter(position, read);
  const later = room.after(end, maxBytes - byteLength(read));
  return sliceAfter(position, later?.recovered ? [...read, ...later.entries] : read);
}

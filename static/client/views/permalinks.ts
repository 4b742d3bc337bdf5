// Opens the message in the address, /r/{room}/{offset}, and marks it. If it is not loaded, the page
// shows a window of the room's log around it, which grows as the reader scrolls.

import type { HistoryPush } from "../../../app/protocol/wire.ts";
import { addressOf, parsePath } from "../address.ts";
import type { Page } from "../page.ts";
import type { LogWindow } from "../state/loaded_log.ts";
import { messagesOf } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { byId } from "./dom.ts";
import { viewOf } from "./message_view.ts";

export type Permalinks = ReturnType<typeof mountPermalinks>;

/** Entries loaded after the message, for context. */
const contextLength = 50;
/** Entries in each page loaded after the window. */
const pageLength = 100;
/** Distance from an end of the window at which scrolling loads more. */
const nearPx = 600;
/** More than the height of any log. Infinity would scroll to the start. */
const endPx = 1e7;

/** Mounts the permalinks. The address alone decides which message is open. */
export function mountPermalinks(page: Page) {
  const { chat } = page;
  const log = byId<"div">("log");
  /** The last opened address, and whether its message has been shown. */
  let opened = { path: "", isShown: false };
  let marked: Element | undefined;
  /** Newer entries to request, fewer after a page that was cut off at its byte limit. */
  let step = pageLength;
  /** Each room's scroll position before its window opened. */
  const savedTop = new WeakMap<Room, number>();
  /** Whether a window has closed, so that the scroll position must be restored. */
  let isClosed = false;

  const messageInAddress = () => parsePath(location.pathname).offset;
  const isActive = () => messageInAddress() !== undefined;
  /** Returns to the end of the log. */
  const leave = () => {
    const { room } = page;
    if (room === undefined || !isActive()) return;
    savedTop.set(room, endPx);
    history.pushState(null, "", addressOf(room.name));
    page.redraw();
  };
  const close = (room: Room) => {
    isClosed ||= room.log.window !== undefined;
    room.log.window = undefined;
  };
  const giveUp = (room: Room) => {
    close(room);
    history.replaceState(null, "", addressOf(room.name));
    page.showFailure((words) => words.noMessage);
    page.redraw();
  };

  /** Loads a window around a message, or one that ends with it if the larger page is cut off. */
  const loadAround = (room: Room, offset: number, before = offset + contextLength) => {
    chat.loadHistory(room, before, (page) => {
      room.log.first = page.first;
      const window = windowOf(page);
      if (window !== undefined && window.oldest <= offset) {
        savedTop.set(room, log.scrollTop);
        room.log.window = window;
      } else if (window === undefined || page.first > offset || before === offset + 1) giveUp(room);
      else loadAround(room, offset, offset + 1);
    });
  };
  // Live entries may amend the window during a request, so add the page to the current window.
  const loadOlder = (room: Room, { oldest }: LogWindow) =>
    chat.loadHistory(room, oldest, (page) => {
      const older = windowOf(page);
      room.log.first = older === undefined ? oldest : page.first;
      const { window } = room.log;
      if (older?.newest !== oldest - 1 || window?.oldest !== oldest) return;
      const messages = [...older.messages, ...window.messages];
      room.log.window = { ...window, messages, oldest: older.oldest };
    });
  const loadNewer = (room: Room, { newest }: LogWindow) =>
    chat.loadHistory(room, Math.min(newest + step + 1, room.log.oldest), (page) => {
      const newer = windowOf(page);
      if (newer === undefined || page.first > newest + 1) return leave();
      if (newer.oldest > newest + 1) return void (step = Math.max(1, step >> 1));
      step = pageLength;
      const { window } = room.log;
      if (window?.newest !== newest) return;
      const added = newer.messages.filter(({ offset }) => offset > newest);
      const messages = [...window.messages, ...added];
      room.log.window = { ...window, messages, newest: newer.newest };
    });
  /** Loads more of the log near the visible part, or merges the window with the end of the log. */
  const extend = (room: Room) => {
    const { window } = room.log;
    if (window === undefined || !opened.isShown) return;
    if (window.newest + 1 >= room.log.oldest) {
      const older = window.messages.filter(({ offset }) => offset < room.log.oldest);
      room.log.extend(older, Math.min(window.oldest, room.log.oldest));
      room.log.window = undefined;
      // Unread messages may just have been loaded.
      chat.recountMentions();
    } else if (log.scrollTop < nearPx && window.oldest > room.log.first) loadOlder(room, window);
    else if (log.scrollHeight - log.scrollTop - log.clientHeight < nearPx) loadNewer(room, window);
  };

  byId<"button">("to-end").addEventListener("click", leave);
  log.addEventListener("scroll", () => {
    if (page.room !== undefined) extend(page.room);
  }, { passive: true });

  return {
    /** Whether the address names a message. Otherwise a room opens at its first unread message. */
    isActive,
    /** Whether that message is still loading. */
    isPending: () => isActive() && !opened.isShown,
    leave,
    open(room: string, offset: number): void {
      const isOther = room !== page.room?.name;
      if (isOther) page.openRoom(room);
      if (room !== page.room?.name) return;
      const path = addressOf(room, offset);
      // Going back must not stop at the end of the other room.
      if (isOther || path === location.pathname) history.replaceState(null, "", path);
      else history.pushState(null, "", path);
      opened = { path: "", isShown: false };
      page.redraw();
    },
    /** Selects the part of a room's log to show. Call this before drawing the room. */
    update(room: Room): void {
      const offset = messageInAddress();
      if (offset === undefined || location.pathname !== opened.path) {
        opened = { path: location.pathname, isShown: false };
        if (offset === undefined || !isIn(room.log.window, offset)) close(room);
      }
      if (offset === undefined || opened.isShown || room.log.position === undefined) return;
      const range = offset >= room.log.oldest ? room.log : room.log.window;
      if (range === room.log) close(room);
      if (range !== undefined) {
        // Until the room is live, the message may still arrive.
        const isKnown = range.messages.some((message) => message.offset === offset);
        if (!isKnown && room.phase === "live") giveUp(room);
      } else if (room.phase === "live") {
        if (offset < room.log.first) giveUp(room);
        else loadAround(room, offset);
      }
    },
    /** Marks the message in the drawn room, and scrolls to it once. */
    mark(room: Room): void {
      if (isClosed) log.scrollTop = savedTop.get(room) ?? 0;
      isClosed = false;
      const offset = messageInAddress();
      const isStale = marked !== undefined && viewOf(marked)?.offset !== offset;
      if (marked?.isConnected && !isStale && opened.isShown) return extend(room);
      marked?.classList.remove("target");
      marked?.removeAttribute("aria-current");
      marked = offset === undefined
        ? undefined
        : Array.from(log.querySelectorAll("article")).find((row) => viewOf(row)?.offset === offset);
      if (marked instanceof HTMLElement) {
        marked.classList.add("target");
        marked.setAttribute("aria-current", "true");
        if (opened.isShown) return extend(room);
        opened = { ...opened, isShown: true };
        marked.tabIndex = -1;
        marked.focus({ preventScroll: true });
        marked.scrollIntoView({ block: "center" });
      }
    },
  };
}

/** Returns a page of history as a window; `undefined` if it is empty. */
function windowOf({ messages }: HistoryPush): LogWindow | undefined {
  const oldest = messages[0]?.offset;
  const newest = messages.at(-1)?.offset;
  if (oldest === undefined || newest === undefined) return undefined;
  return { messages: messagesOf(messages), oldest, newest };
}

function isIn(window: LogWindow | undefined, offset: number): boolean {
  return window !== undefined && offset >= window.oldest && offset <= window.newest;
}

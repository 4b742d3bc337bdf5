// The conversation: draws the rows of the current room, keeps the scroll position, and marks
// messages read once they have been on screen in a focused window.

import type { ChatClient } from "../state/chat_client.ts";
import type { Room } from "../state/room.ts";
import type { ConversationAids } from "./conversation_aids.ts";
import { byId } from "./dom.ts";
import { KeyedList } from "./keyed_list.ts";
import { ConversationRows } from "./message_rows.ts";
import { viewOf } from "./message_view.ts";
import { refreshTimes } from "./times.ts";

/** The reader is at the end if closer to it than this. */
const endPx = 48;
/** Older messages load when the reader is closer to the start than this. */
const olderPx = 600;
/** A message is on screen if at least this much of it is. */
const firstLinePx = 20;
const timesIntervalMs = 30_000;

/** Mounts the conversation; `update` draws a room. `getAids` returns the aids once loaded. */
export function mountConversation(
  chat: ChatClient,
  redraw: () => void,
  getAids: () => ConversationAids | undefined,
) {
  const log = byId<"div">("log");
  const rows = new ConversationRows(chat);
  const parent = byId<"div">("rows");
  const list = new KeyedList(parent);
  const savedScroll = new WeakMap<Room, { readonly isAtEnd: boolean; readonly top: number }>();
  let current: Room | undefined;
  /** Whether the current room has been live since it was shown, so its unread count is known. */
  let isOpened = false;
  /** Whether the first unread message is still loading; until then nothing counts as read. */
  let isJumping = false;
  let isAtEnd = true;
  /** The line "new since" as last drawn, if the reader was watching the end. */
  let watched: { readonly newSince: number | undefined } | undefined;
  let height = log.clientHeight;
  let lastScrollTop = 0;
  /** Offsets of the messages in view when they were last read. */
  let inView: readonly number[] = [];
  /** The fraction of a pixel by which the last correction was rounded. */
  let scrollRest = 0;
  let drawn = { oldest: 0, isLive: false, hasAids: false, isWindow: false };
  let busyTimer: ReturnType<typeof setTimeout> | undefined;

  const goToEnd = () => {
    log.scrollTop = log.scrollHeight;
    lastScrollTop = log.scrollTop;
    isAtEnd = true;
  };
  /** Reads the scroll position: the scroll event comes only with the next frame. */
  const readScroll = () => {
    if (log.scrollTop === lastScrollTop) return;
    lastScrollTop = log.scrollTop;
    isAtEnd = !current?.log.window && log.scrollHeight - lastScrollTop - log.clientHeight < endPx;
  };
  /** Returns the messages whose first line is in view. */
  const messagesInView = () => {
    const { top, bottom } = log.getBoundingClientRect();
    const cut = (nodes: readonly Element[]) =>
      nodes.slice(
        firstNode(nodes, (box) => box.bottom > top),
        firstNode(nodes, (box) => box.top + firstLinePx > bottom),
      );
    // Measuring a row lays out its block.
    return cut(cut([...parent.children]).flatMap(({ children }) => [...children])).filter(viewOf);
  };
  /** Marks visible messages read, and loads older ones near the top. */
  const onView = (isDrawing = false, isSame = false) => {
    if (current === undefined) return;
    if (!isSame) inView = messagesInView().flatMap((node) => viewOf(node)?.offset ?? []);
    const [first = 0] = inView;
    const last = inView.at(-1) ?? 0;
    const isUnread = current.unread.readOffset < current.log.head && isOpened && !isJumping &&
      hasFocus();
    // A draw in progress updates the unread counts by itself.
    if (isUnread && current.unread.markSeen(first, last) && !isDrawing) redraw();
    // Don't load the same messages twice: older ones may have arrived but not been drawn.
    if (lastScrollTop < olderPx && current.log.oldest === drawn.oldest && !current.log.window) {
      chat.loadOlder(current.name);
    }
    getAids()?.showUnread(current, isOpened ? first : 0, isAtEnd);
  };
  const onFocusChange = () => {
    if (!hasFocus()) current?.unread.removeLine();
    watched = undefined;
    if (refreshTimes()) redraw();
    onView();
  };
  addEventListener("focus", onFocusChange);
  addEventListener("blur", onFocusChange);
  setInterval(() => refreshTimes() && redraw(), timesIntervalMs);
  log.addEventListener("scroll", () => {
    // The page scrolled, not the reader.
    if (log.scrollTop === lastScrollTop) return;
    readScroll();
    onView();
    getAids()?.showDay();
  }, { passive: true });
  // Unfolding a message moves the end without scrolling.
  log.addEventListener("fold", () => {
    lastScrollTop = NaN;
    readScroll();
    onView();
  });
  byId<"button">("to-end").addEventListener("click", () => {
    goToEnd();
    onView();
  });
  // A phone's keyboard shrinks the log from below, and rows get their height only near the view.
  // Keep the last rows in view.
  const observer = new ResizeObserver(() => {
    // A hidden log has no height.
    const shrunkBy = height && height - log.clientHeight;
    height = log.clientHeight;
    readScroll();
    if (isAtEnd) goToEnd();
    else log.scrollTop += shrunkBy;
  });
  observer.observe(log);
  observer.observe(parent);

  return {
    update(room: Room): void {
      const { unread } = room;
      readScroll();
      const isOther = room !== current;
      if (isOther) {
        if (current !== undefined) savedScroll.set(current, { isAtEnd, top: log.scrollTop });
        current?.unread.removeLine();
        current = room;
        isOpened = false;
        isAtEnd = savedScroll.get(room)?.isAtEnd ?? true;
      }
      const isWindow = room.log.window !== undefined;
      if (isWindow) isAtEnd = false;
      // Messages that arrive while the reader watches the end get no line "new since".
      const isWatching = !isOther && isAtEnd && watched !== undefined && hasFocus();
      if (isWatching) unread.newSince = watched?.newSince;
      if (isAtEnd) room.trim();
      // Screen readers must read live messages aloud, but not those loaded or redrawn.
      const isLive = room.phase === "live";
      const aids = getAids();
      const hasAids = aids !== undefined;
      const isHistory = isOther || isWindow || drawn.isWindow || !drawn.isLive ||
        room.log.oldest < drawn.oldest ||
        hasAids !== drawn.hasAids;
      const isLoading = room.isLoadingOlder || !isLive;
      log.ariaBusy = String(isHistory || isLoading);
      clearTimeout(busyTimer);
      if (isHistory && !isLoading) busyTimer = setTimeout(() => log.ariaBusy = "false");
      drawn = { oldest: room.log.oldest, isLive, hasAids, isWindow };

      const unchanged = rows.update(room, aids);
      // Rows added below the view move nothing, and measuring them would force a layout.
      const isBelow = unchanged > 0 && !isAtEnd && !isHistory;
      // Keep the position of the first visible message that survives the update.
      const anchors = isOther || isAtEnd || isBelow
        ? []
        : messagesInView().map((node) => ({ node, top: topOf(node) }));
      list.update(rows.rows, unchanged);
      const anchor = anchors.find(({ node }) => node.isConnected);
      if (isAtEnd) goToEnd();
      else if (isOther) log.scrollTop = savedScroll.get(room)?.top ?? 0;
      else if (anchor !== undefined) {
        const before = log.scrollTop;
        const moved = topOf(anchor.node) - anchor.top + scrollRest;
        log.scrollTop += moved;
        scrollRest = (moved - log.scrollTop + before) % 1;
      }
      const isOpening = isLive && hasAids && !isOpened;
      isOpened ||= isOpening;
      isJumping = aids?.jump(room, isOpening && isAtEnd && !unread.isEmpty) ?? false;
      if (!isBelow) readScroll();
      onView(true, isBelow);
      // More messages arrived at once than fit on the screen.
      if (isWatching && !unread.isEmpty && unread.newSince === undefined) {
        unread.moveLine();
        redraw();
      }
      watched = isAtEnd && hasFocus() && isLive ? { newSince: unread.newSince } : undefined;
    },
    onFocusChange,
    goToEnd,
  };
}

/** Whether the person may be reading. A visible window isn't necessarily in use. */
function hasFocus(): boolean {
  return document.hasFocus() && !document.hidden;
}

/** Returns the index of the first node that meets a condition, which all later ones meet too. */
function firstNode(nodes: readonly Element[], isAfter: (box: DOMRect) => boolean): number {
  let low = 0;
  let high = nodes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const node = nodes[middle];
    if (node !== undefined && isAfter(node.getBoundingClientRect())) high = middle;
    else low = middle + 1;
  }
  return low;
}

function topOf(node: Element): number {
  return node.getBoundingClientRect().top;
}

// The conversation: draws the rows of the current room, keeps the reader's place in them, and marks
// them read.

import type { ChatClient } from "../state/chat_client.ts";
import type { Room } from "../state/room.ts";
import { words } from "../words/language.ts";
import { byId, setText } from "./dom.ts";
import { KeyedList } from "./keyed_list.ts";
import { rowsOf } from "./message_rows.ts";
import type { RowActions } from "./message_rows.ts";

/** What the conversation asks of the page. */
export interface ConversationActions extends RowActions {
  /** Messages were read. */
  onRead(): void;
}

/** Closer to the end than this counts as at the end. */
const endPx = 48;
/** Older messages load when the reader is closer to the start than this. */
const olderPx = 600;
const anchorsMax = 20;

/** Mounts the conversation; `update` draws a room. */
export function mountConversation(chat: ChatClient, actions: ConversationActions) {
  const log = byId<"div">("log");
  const jump = byId<"button">("to-end");
  const list = new KeyedList(byId<"div">("rows"));
  const savedScroll = new WeakMap<Room, { readonly isAtEnd: boolean; readonly top: number }>();
  let current: Room | undefined;
  let isAtEnd = true;
  /** The line "new since" as last drawn, if the reader was watching the end. */
  let watched: { readonly newSince: number | undefined } | undefined;
  let height = log.clientHeight;
  let lastScrollTop = 0;
  /** The fraction of a pixel that the last correction could not scroll. */
  let scrollRest = 0;
  let drawn = { oldest: 0, isLive: false, isFormatted: false };
  let busyTimer: ReturnType<typeof setTimeout> | undefined;

  const goToEnd = () => {
    log.scrollTop = log.scrollHeight;
    lastScrollTop = log.scrollTop;
    isAtEnd = true;
  };
  /** Notices that the person scrolled; the scroll event comes only with the next frame. */
  const readScroll = () => {
    if (log.scrollTop === lastScrollTop) return;
    lastScrollTop = log.scrollTop;
    isAtEnd = log.scrollHeight - lastScrollTop - log.clientHeight < endPx;
  };
  /** Acts on what is in view: marks it read, and loads more above it. */
  const onView = () => {
    if (current === undefined) return;
    if (isAtEnd && !document.hidden && current.unread > 0) {
      current.markRead();
      actions.onRead();
    }
    // Messages that arrived but aren't drawn yet would look like missing ones.
    if (log.scrollTop < olderPx && current.oldest === drawn.oldest) chat.loadOlder(current.name);
    jump.hidden = isAtEnd;
    const { unread } = current;
    setText(jump, unread > 0 ? words.newMessages(unread) : words.jumpToLatest);
  };
  log.addEventListener("scroll", () => {
    readScroll();
    onView();
  }, { passive: true });
  // Unfolding a message moves the end away without scrolling.
  log.addEventListener("fold", () => {
    lastScrollTop = NaN;
    readScroll();
    onView();
  });
  jump.addEventListener("click", () => {
    goToEnd();
    onView();
  });
  // A phone's keyboard shrinks the log from below; what was at the bottom stays there.
  new ResizeObserver(() => {
    const shrunkBy = height - log.clientHeight;
    height = log.clientHeight;
    if (isAtEnd) goToEnd();
    else log.scrollTop += shrunkBy;
  }).observe(log);

  return {
    update(room: Room): void {
      readScroll();
      const isOther = room !== current;
      if (isOther) {
        if (current !== undefined) {
          savedScroll.set(current, { isAtEnd, top: log.scrollTop });
          if (current.unread === 0) current.newSince = undefined;
        }
        current = room;
        isAtEnd = savedScroll.get(room)?.isAtEnd ?? true;
      }
      // Messages that arrive while the reader watches get no line "new since".
      if (!isOther && isAtEnd && !document.hidden && watched !== undefined) {
        room.markRead();
        room.newSince = watched.newSince;
      }
      if (isAtEnd) room.trim();
      // Screen readers read live messages aloud, but not loaded ones.
      const isLive = room.phase === "live";
      const isFormatted = actions.formatter !== undefined;
      // The formatter draws all messages again, and they must not be read again.
      const isHistory = isOther || !drawn.isLive || room.oldest < drawn.oldest ||
        isFormatted !== drawn.isFormatted;
      const isLoading = room.isLoadingOlder || !isLive;
      log.ariaBusy = String(isHistory || isLoading);
      clearTimeout(busyTimer);
      if (!isLoading) busyTimer = setTimeout(() => log.ariaBusy = "false");
      drawn = { oldest: room.oldest, isLive, isFormatted };

      const anchors = isOther || isAtEnd ? [] : anchorsIn(log);
      // One list draws all rooms in turn.
      const rows = rowsOf(chat, room, actions);
      list.update(rows.map((row) => ({ ...row, key: `${room.name} ${row.key}` })));
      const anchor = anchors.find(({ node }) => node.isConnected);
      if (isAtEnd) goToEnd();
      else if (isOther) log.scrollTop = savedScroll.get(room)?.top ?? 0;
      else if (anchor !== undefined) {
        const before = log.scrollTop;
        const moved = topOf(anchor.node) - anchor.top + scrollRest;
        log.scrollTop += moved;
        scrollRest = (moved - log.scrollTop + before) % 1;
      }
      onView();
      watched = isAtEnd && !document.hidden && isLive ? { newSince: room.newSince } : undefined;
    },
    /** The page was hidden or shown. */
    onVisibilityChange(): void {
      if (document.hidden && current?.unread === 0) current.newSince = undefined;
      watched = undefined;
      onView();
    },
    goToEnd,
  };
}

/** Returns the first messages in view and where they are. The first that stays keeps its place. */
function anchorsIn(log: HTMLElement): { readonly node: Element; readonly top: number }[] {
  const { top } = log.getBoundingClientRect();
  const children = log.firstElementChild?.children ?? [];
  // Binary search for the first row that reaches into view.
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((children[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle;
    else low = middle + 1;
  }
  return Array.from(children).slice(low, low + anchorsMax)
    .filter(({ localName }) => localName === "article")
    .map((node) => ({ node, top: topOf(node) }));
}

function topOf(node: Element): number {
  return node.getBoundingClientRect().top;
}

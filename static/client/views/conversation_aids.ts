// The parts of the conversation that load after the page: formatting, presence lines, the pill with
// the unread messages above, the day while scrolling, and copying.

import type { Page } from "../page.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Message } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { panels, words } from "../words/language.ts";
import { amendmentOf } from "./amendments.ts";
import { button, byId, element, setText } from "./dom.ts";
import { releaseFocus } from "./focus.ts";
import { createFormatter } from "./message_text.ts";
import { viewOf } from "./message_view.ts";
import type { Permalinks } from "./permalinks.ts";
import { presenceSentences } from "./presence_lines.ts";
import { dayName, shortTime } from "./day_names.ts";
import { clockTime } from "./times.ts";
import { topRows } from "./top_rows.ts";
import type { Writing } from "./writing.ts";

export type ConversationAids = ReturnType<typeof mountConversationAids>;

/** The first unread message is shown this far below the top. */
const contextPx = 96;
const dayShownMs = 1_200;
/** Max frames until the browser has drawn skipped rows that came into view. */
const drawFramesMax = 5;
/** How soon new blocks of rows are skipped. */
const settleMs = 500;

export function mountConversationAids(
  page: Page,
  { takeBack }: Writing,
  permalinks: Permalinks,
) {
  const { chat } = page;
  const log = byId<"div">("log");
  const day = element("p", { class: "day", "aria-hidden": "true", hidden: true });
  let shown: Room | undefined;
  /** The room that loads older messages until its first unread one is loaded. */
  let jumpingIn: Room | undefined;
  const jumpIn = (room: Room) => {
    const rows = Array.from(document.querySelectorAll("#rows article"));
    const first = rows.find((row) => viewOf(row)?.offset === room.unread.first);
    jumpingIn = first === undefined && room.log.hasOlder ? room : undefined;
    if (jumpingIn !== undefined) chat.loadOlder(room.name);
    if (first === undefined) return;
    log.scrollTop += topIn(log, first) - contextPx;
  };
  const toEnd = byId<"button">("to-end");
  const jump = button("", () => shown && jumpIn(shown));
  const pill = element(
    "p",
    { class: "pill", hidden: true },
    jump,
    button("×", () => {
      shown?.unread.markRead();
      page.redraw();
    }, { "aria-label": panels.markRead, title: panels.markRead }),
  );
  log.before(element("div", { class: "above" }, pill, day));
  let timer: ReturnType<typeof setTimeout> | undefined;

  // "Select all" starts outside of the log.
  document.addEventListener("copy", (event) => {
    const isElsewhere = document.querySelector("dialog[open]") !== null ||
      event.target instanceof Element && event.target.matches("input, textarea");
    const lines = isElsewhere ? [] : selectedLines();
    if (lines.length < 2) return;
    event.preventDefault();
    event.clipboardData?.setData("text/plain", lines.join("\n"));
  });

  /** Returns the message this far below the top edge. */
  const messageAt = (px: number) => {
    const { left, top, width } = log.getBoundingClientRect();
    return document.elementFromPoint(left + width / 2, top + px)?.closest("article") ?? undefined;
  };
  /** The topmost visible message and its position, while scrolled up. */
  let anchor: { readonly row: Element; readonly top: number } | undefined;
  const setAnchor = (frames = drawFramesMax) => {
    anchor = undefined;
    if (toEnd.hidden) return;
    // The name of a day may be at the top.
    const row = messageAt(1) ?? messageAt(24) ?? messageAt(72);
    if (row !== undefined) anchor = { row, top: topIn(log, row) };
    else if (frames > 0) requestAnimationFrame(() => setAnchor(frames - 1));
  };
  log.addEventListener("scroll", () => setAnchor(), { passive: true });
  skipFarBlocks(byId<"div">("rows"), () => {
    if (toEnd.hidden || !anchor?.row.isConnected) return;
    log.scrollTop += topIn(log, anchor.row) - anchor.top;
  });

  return {
    topRows: (room: Room) => topRows(chat, room),
    formatter: createFormatter(page, permalinks.open),
    amendmentOf: (room: Room, message: Message | OutboxMessage) =>
      amendmentOf(chat, room, message, takeBack),
    /** Returns a line about presence events, which is empty if they cancel out. */
    describe: (events: Parameters<typeof presenceSentences>[0]) =>
      presenceSentences(events).join(" · "),
    dayName,
    /** Returns the line above new messages; `at` is the time of the message before them. */
    newSince: (at: number | undefined) => panels.newSince(at === undefined ? "" : shortTime(at)),
    /**
     * Shows the first unread message if `isWanted`, or if the person asked for it earlier. Returns
     * whether it is still loading.
     */
    jump(room: Room, isWanted: boolean): boolean {
      if (isWanted && !permalinks.isActive() || room === jumpingIn) jumpIn(room);
      return room === jumpingIn || permalinks.isPending();
    },
    /**
     * Shows or hides the button to the end, and the pill if the first unread message is above
     * `first`, the first one in view.
     */
    showUnread(room: Room, first: number, isAtEnd: boolean): void {
      const { log, unread } = room;
      const { count, hasMore, first: firstUnread } = unread;
      const isAbove = !unread.isEmpty && firstUnread < first;
      shown = room;
      if (isAtEnd) releaseFocus(toEnd);
      toEnd.hidden = isAtEnd;
      setText(
        toEnd,
        unread.isEmpty || isAbove ? panels.jumpToLatest : words.newMessages(count, hasMore),
      );
      if (!isAbove) releaseFocus(pill);
      pill.hidden = !isAbove;
      if (!isAbove) return;
      day.hidden = true;
      const before = log.messages.findLast(({ offset }) => offset < firstUnread);
      const since = before ? shortTime(before.at) : "";
      setText(jump, panels.newAbove(count, hasMore, since));
    },
    /** Shows the day of the topmost visible row for a moment. */
    showDay(): void {
      const view = viewOf(messageAt(1));
      if (view !== undefined) setText(day, dayName(view.at));
      day.hidden = view === undefined || !pill.hidden;
      clearTimeout(timer);
      timer = setTimeout(() => day.hidden = true, dayShownMs);
    },
  };
}

/** Returns how far a row is below the top of the log. */
function topIn(log: Element, row: Element): number {
  return row.getBoundingClientRect().top - log.getBoundingClientRect().top;
}

/**
 * Keeps the browser from laying out and painting the blocks of rows far from the view. Each keeps
 * its height until a row in it changes, or all rows do: then calls `onReflow`.
 */
function skipFarBlocks(rows: HTMLElement, onReflow: () => void): void {
  let drawn = "";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const settle = () => {
    timer = undefined;
    const blocks = Array.from(rows.children).flatMap((block) =>
      block instanceof HTMLElement && block.style.contentVisibility === ""
        ? { style: block.style, height: block.getBoundingClientRect().height }
        : []
    );
    for (const { style, height } of blocks) {
      style.containIntrinsicBlockSize = `auto ${height}px`;
      style.contentVisibility = "auto";
    }
  };
  const settleSoon = () => timer ??= setTimeout(settle, settleMs);
  new ResizeObserver(() => {
    const version = `${rows.clientWidth} ${getComputedStyle(rows).fontSize}`;
    if (version !== drawn) {
      for (const block of rows.children) block.removeAttribute("style");
      onReflow();
    }
    drawn = version;
    settleSoon();
  }).observe(rows);
  new MutationObserver(settleSoon).observe(rows, { childList: true, subtree: true });
}

/** Returns a line for each selected message: "Ada, 11:56: text". */
function selectedLines(): string[] {
  const selection = getSelection();
  if (selection === null) return [];
  // Firefox can select several ranges, and splits one where `user-select` is `none`.
  const ranges = Array.from({ length: selection.rangeCount }, (_, i) => selection.getRangeAt(i));
  return Array.from(document.querySelectorAll("#rows article:not([inert])")).flatMap((article) => {
    const view = viewOf(article);
    const body = article.querySelector(".text");
    if (view === undefined || body === null || !selection.containsNode(body, true)) return [];
    const whole = document.createRange();
    whole.selectNodeContents(body);
    const drawn = textOf(whole);
    const selected = ranges.filter((range) => range.intersectsNode(body))
      .map((range) => textOf(overlap(range, whole))).join("");
    // A whole message is copied exactly as typed, and an action with its author.
    const typed = view.text?.startsWith("/me ") ? drawn : view.text ?? drawn;
    const text = selected === drawn ? typed : selected;
    return text === "" ? [] : `${view.from}, ${clockTime(view.at)}: ${text}`;
  });
}

/** Returns the part that two ranges share. */
function overlap(range: Range, other: Range): Range {
  const part = other.cloneRange();
  if (range.compareBoundaryPoints(Range.START_TO_START, part) > 0) {
    part.setStart(range.startContainer, range.startOffset);
  }
  if (range.compareBoundaryPoints(Range.END_TO_END, part) < 0) {
    part.setEnd(range.endContainer, range.endOffset);
  }
  return part;
}

/** Returns the text in a range, without buttons and states. */
function textOf(range: Range): string {
  const content = range.cloneContents();
  for (const node of content.querySelectorAll("button, .state, .edited")) node.remove();
  return content.textContent;
}

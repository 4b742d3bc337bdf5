// The page's title, and the badge on the app's icon: how many messages are unread.

import { labelOf } from "../state/open_rooms.ts";
import type { UnreadCount } from "../state/unread.ts";

/** How soon both follow new messages. Changing them costs as much as drawing a message. */
const countMs = 1_000;

/** Returns a function that draws both for the current room and the counts of all rooms. */
export function mountTitle() {
  const chatTitle = document.title;
  let current = { room: "", count: 0, hasMore: false };
  let drawn = "";
  /** Undefined at first, as an earlier visit may have left a badge. */
  let badge: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    timer = undefined;
    const { room, count, hasMore } = current;
    const shown = hasMore ? `(${count}+) ` : count > 0 ? `(${count}) ` : "";
    const title = `${shown}#${labelOf(room)} · ${chatTitle}`;
    if (title !== drawn) document.title = title;
    drawn = title;
    if (count !== badge) navigator.setAppBadge?.(count).catch(() => {});
    badge = count;
  };
  return (room: string, counts: UnreadCount): void => {
    const isOther = room !== current.room;
    current = { room, ...counts };
    if (isOther) draw();
    else timer ??= setTimeout(draw, countMs);
  };
}

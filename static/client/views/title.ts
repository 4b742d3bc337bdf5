// The page's title, and the badge on the app's icon: how many messages are unread.

import { labelOf } from "../state/open_rooms.ts";
import type { countUnread } from "../state/room.ts";

/** How soon both follow new messages. Changing them costs as much as drawing a message. */
const countMs = 1_000;

/** Returns a function that draws both for the current room and the counts of all rooms. */
export function mountTitle() {
  const chatTitle = document.title;
  let current = { room: "", unread: 0, isMore: false };
  let drawn = "";
  /** Undefined at first, as an earlier visit may have left a badge. */
  let badge: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    timer = undefined;
    const { room, unread, isMore } = current;
    const count = isMore ? `(${unread}+) ` : unread > 0 ? `(${unread}) ` : "";
    const title = `${count}#${labelOf(room)} · ${chatTitle}`;
    if (title !== drawn) document.title = title;
    drawn = title;
    if (unread !== badge) navigator.setAppBadge?.(unread).catch(() => {});
    badge = unread;
  };
  return (room: string, counts: ReturnType<typeof countUnread>): void => {
    const isOther = room !== current.room;
    current = { room, ...counts };
    if (isOther) draw();
    else timer ??= setTimeout(draw, countMs);
  };
}

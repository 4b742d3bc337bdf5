// The list of rooms, and the name of the current one in the header.

import type { ChatClient } from "../state/chat_client.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Room } from "../state/room.ts";
import { countUnread } from "../state/unread.ts";
import type { UnreadCount } from "../state/unread.ts";
import { words } from "../words/language.ts";
import { button, byId, element } from "./dom.ts";
import { KeyedList } from "./keyed_list.ts";

/** Mounts both; `update` draws them for the current room. */
export function mountSidebars(
  chat: ChatClient,
  showRoom: (name: string) => void,
  leaveRoom: (name: string) => void,
) {
  const roomTitle = byId<"button">("room-title");
  const roomList = new KeyedList(byId<"ul">("room-list"));
  let titleVersion = "";

  /** Draws the current room's name, and the unread count of other rooms, for narrow screens. */
  const drawTitle = ({ name, title }: Room, others: readonly Room[]) => {
    const badge = drawBadge(countUnread(others));
    const label = labelOf(name);
    const version = [label, title, badge?.outerHTML].join();
    if (version === titleVersion) return;
    titleVersion = version;
    roomTitle.replaceChildren(
      element("span", {}, `# ${label}`, title && element("bdi", {}, ` ${title}`)),
      badge ?? "",
    );
  };
  const drawRoom = (room: Room, isCurrent: boolean, mayLeave: boolean) => {
    const { name, unread, title } = room;
    const label = labelOf(name);
    const shown = title ? element("bdi", {}, title) : `# ${label}`;
    const node = button(element("span", { translate: "no" }, shown), () => showRoom(name), {
      class: !unread.isEmpty && "unread",
      title: label,
      "aria-current": isCurrent && "page",
    });
    node.append(drawBadge(unread) ?? "");
    const leaving = words.leaveRoom(label);
    const attributes = { class: "leave", "aria-label": leaving, title: leaving };
    return element("li", {}, node, mayLeave && button("×", () => leaveRoom(name), attributes));
  };

  return {
    update(current: Room): void {
      const rooms = [...chat.rooms.values()];
      const mayLeave = rooms.length > 1;
      roomList.update(rooms.map((room) => {
        const { name, unread, title } = room;
        const { count, mentions, hasMore } = unread;
        const isCurrent = room === current;
        return {
          key: name,
          version: [labelOf(name), isCurrent, mayLeave, count, mentions, hasMore, title].join(),
          create: () => drawRoom(room, isCurrent, mayLeave),
        };
      }));
      drawTitle(current, rooms.filter((room) => room !== current));
    },
  };
}

/** Draws the number of unread messages. */
function drawBadge({ count, mentions, hasMore }: UnreadCount): HTMLElement | undefined {
  if (count === 0 && !hasMore) return undefined;
  const text = mentions > 0 ? `@ ${mentions}` : `${count}${hasMore ? "+" : ""}`;
  const className = mentions > 0 ? "badge" : "badge quiet";
  const label = words.newMessages(count, hasMore);
  return element("span", { class: className, "aria-label": label, role: "img" }, text);
}

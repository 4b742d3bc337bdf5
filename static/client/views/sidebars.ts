// The list of rooms, the list of people, and the header between them.

import type { ChatClient } from "../state/chat_client.ts";
import { countUnread } from "../state/room.ts";
import type { Room } from "../state/room.ts";
import { panels, words } from "../words/language.ts";
import { button, byId, element, setText } from "./dom.ts";
import { KeyedList } from "./keyed_list.ts";

export interface SidebarActions {
  showRoom(name: string): void;
  leaveRoom(name: string): void;
}

/** Mounts both sidebars and the header; `update` draws them for the current room. */
export function mountSidebars(chat: ChatClient, actions: SidebarActions) {
  const people = byId<"aside">("people");
  const peopleToggle = byId<"button">("people-toggle");
  const peopleLabel = peopleToggle.textContent;
  const roomTitle = byId<"button">("room-title");
  const roomList = new KeyedList(byId<"ul">("room-list"));
  const peopleList = new KeyedList(byId<"ul">("people-list"));
  let titleVersion = "";

  /** Draws the current room's name, with the unread count of the rooms in the hidden list. */
  const drawTitle = (current: Room) => {
    const others = [...chat.rooms.values()].filter((room) => room !== current);
    const { unread, mentions } = countUnread(others);
    const version = `${current.name} ${unread} ${mentions}`;
    if (version === titleVersion) return;
    titleVersion = version;
    roomTitle.replaceChildren(
      element("span", {}, `# ${current.name}`),
      ...drawBadge(unread, mentions),
    );
  };

  return {
    /** `isOnline` is false once the connection has been lost for a while. */
    update(current: Room, isOnline: boolean): void {
      const rooms = [...chat.rooms.values()];
      roomList.update(rooms.map((room) => ({
        key: room.name,
        version: [room === current, rooms.length > 1, room.unread, room.mentions].join(),
        create: () => drawRoom(room, room === current, rooms.length > 1, actions),
      })));
      drawTitle(current);

      const { count, members, isCrowded } = current.roster;
      // The roster is empty before the first page, and outdated without a connection.
      const isKnown = isOnline && count > 0;
      setText(byId<"span">("room-here"), isKnown ? `${words.here(count)} · ` : "");
      setText(peopleToggle, isKnown ? words.here(count) : peopleLabel);
      setText(byId<"h2">("people-title"), isKnown ? words.hereNow(count) : peopleLabel);
      people.classList.toggle("off", !isKnown);
      const byName = [...members].sort(([, a], [, b]) => a.localeCompare(b));
      peopleList.update(
        isCrowded
          ? [{
            key: "",
            version: String(panels?.crowded),
            create: () => element("li", { class: "hint" }, panels?.crowded),
          }]
          : byName.map(([member, username]) => ({
            key: member,
            version: `${username} ${member === chat.member}`,
            create: () => drawPerson(username, member === chat.member),
          })),
      );

      const { limits } = chat;
      const retention = limits && panels?.retention(limits.retentionDays, limits.retentionMessages);
      setText(byId<"span">("room-kept"), retention ?? "");
      setText(byId<"bdi">("me-name"), chat.username);
      byId<"span">("me-dot").classList.toggle("off", !isOnline);
      setText(byId<"small">("me-state"), isOnline ? "" : panels.notConnected);
    },
  };
}

function drawRoom(
  room: Room,
  isCurrent: boolean,
  mayLeave: boolean,
  { showRoom, leaveRoom }: SidebarActions,
): HTMLElement {
  const { name, unread, mentions } = room;
  const node = button(element("span", { translate: "no" }, `# ${name}`), () => showRoom(name), {
    class: unread > 0 && "unread",
    title: name,
    "aria-current": isCurrent && "page",
  });
  node.append(...drawBadge(unread, mentions));
  const label = words.leaveRoom(name);
  const leave = mayLeave &&
    button("×", () => leaveRoom(name), { class: "leave", "aria-label": label, title: label });
  return element("li", {}, node, leave || undefined);
}

function drawBadge(unread: number, mentions: number): HTMLElement[] {
  if (unread === 0) return [];
  const count = mentions > 0 ? `@ ${mentions}` : String(unread);
  const className = mentions > 0 ? "badge" : "badge quiet";
  const label = words.newMessages(unread);
  return [element("span", { class: className, "aria-label": label, role: "img" }, count)];
}

function drawPerson(username: string, isMe: boolean): HTMLElement {
  return element(
    "li",
    {},
    element("span", { class: "dot", "aria-hidden": "true" }),
    element("bdi", { translate: "no" }, username),
    isMe && element("small", {}, words.you),
  );
}

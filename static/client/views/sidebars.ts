// The list of rooms, the list of people, and the header between them.

import type { ChatClient } from "../state/chat_client.ts";
import { countUnread } from "../state/room.ts";
import type { Room } from "../state/room.ts";
import { sentenceOf, words } from "../words/language.ts";
import type { Complaint } from "../words/language.ts";
import { button, byId, element, setText } from "./dom.ts";
import { mountDrawers } from "./drawers.ts";
import { KeyedList } from "./keyed_list.ts";

/** What the sidebars ask of the page. */
export interface SidebarActions {
  /** Shows a room. Returns a complaint if it cannot. */
  showRoom(name: string): Complaint | undefined;
  openSettings(): void;
}

/** Mounts both sidebars and the header; `update` draws them for the current room. */
export function mountSidebars(chat: ChatClient, actions: SidebarActions) {
  const drawers = mountDrawers();
  const people = byId<"aside">("people");
  const peopleToggle = byId<"button">("people-toggle");
  const peopleLabel = peopleToggle.textContent;
  const roomTitle = byId<"button">("room-title");
  const roomName = byId<"input">("room-name");
  const roomHint = byId<"p">("room-hint");
  const roomList = new KeyedList(byId<"ul">("room-list"));
  const peopleList = new KeyedList(byId<"ul">("people-list"));
  let titleVersion = "";

  const showPeople = () => drawers.open(people, peopleToggle);
  peopleToggle.addEventListener("click", showPeople);
  roomTitle.addEventListener("click", () => drawers.open(byId<"nav">("rooms"), roomTitle));
  byId<"button">("me").addEventListener("click", () => actions.openSettings());
  roomName.addEventListener("input", () => setText(roomHint, ""));
  byId<"form">("room-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = roomName.value.trim().replace(/^#/, "").toLowerCase();
    if (name === "") return;
    const complaint = actions.showRoom(name);
    if (complaint === undefined) roomName.value = "";
    setText(roomHint, complaint === undefined ? "" : await sentenceOf(complaint));
  });

  /** Draws the current room's name, with what is unread in the rooms of the hidden list. */
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
    closeDrawers: drawers.close,
    showPeople,
    /** `isOnline` is false once the connection has been lost for a while. */
    update(current: Room, isOnline: boolean): void {
      roomList.update([...chat.rooms.values()].map((room) => ({
        key: room.name,
        version: `${room === current} ${room.unread} ${room.mentions}`,
        create: () => drawRoom(room, room === current, () => actions.showRoom(room.name)),
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
            version: "",
            create: () => element("li", { class: "hint" }, words.crowded),
          }]
          : byName.map(([member, username]) => ({
            key: member,
            version: `${username} ${member === chat.member}`,
            create: () => drawPerson(username, member === chat.member),
          })),
      );

      const { limits } = chat;
      const retention = limits && words.retention(limits.retentionDays, limits.retentionMessages);
      setText(byId<"span">("room-kept"), retention ?? "");
      setText(byId<"bdi">("me-name"), chat.username);
      byId<"span">("me-dot").classList.toggle("off", !isOnline);
      setText(byId<"small">("me-state"), isOnline ? "" : words.notConnected);
    },
  };
}

function drawRoom(room: Room, isCurrent: boolean, show: () => void): HTMLElement {
  const node = button(element("span", {}, `# ${room.name}`), show, {
    class: room.unread > 0 && "unread",
    "aria-current": isCurrent && "page",
  });
  node.append(...drawBadge(room.unread, room.mentions));
  return element("li", {}, node);
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
    element("bdi", {}, username),
    isMe && element("small", {}, words.you),
  );
}

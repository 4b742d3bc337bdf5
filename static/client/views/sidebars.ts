// The two sides of the page, rooms on one and people on the other, and the head between them.

import type { ChatClient } from "../state/chat_client.ts";
import { button, byId, element, List, setText } from "./dom.ts";
import type { Room } from "../state/room.ts";
import type { Complaint } from "../words/language.ts";
import { sentenceOf, words } from "../words/language.ts";

/** What the sides ask for. */
export interface SidebarActions {
  /** Shows a room. Answers why not when it cannot be. */
  show(name: string): Complaint | undefined;
  /** Shows the person's own settings. */
  me(): void;
}

/** Mounts rooms, people and head; `update` draws them for the room that is shown. */
export function mountSidebars(chat: ChatClient, verbs: SidebarActions) {
  const rooms = byId("rooms");
  const people = byId("people");
  const talk = byId("talk");
  const shade = byId("shade");
  const toggle = byId("people-toggle");
  const roomTitle = byId("room-title");
  const roomHere = byId("room-here");
  const roomKept = byId("room-kept");
  const peopleWord = toggle.textContent;
  const peopleTitle = byId("people-title");
  const meDot = byId("me-dot");
  const meName = byId("me-name");
  const meState = byId("me-state");
  const roomForm = byId("room-form");
  const roomName = byId("room-name");
  const roomHint = byId("room-hint");
  const roomList = new List(byId("room-list"));
  const peopleList = new List(byId("people-list"));

  const floats = (panel: HTMLElement) => getComputedStyle(panel).position === "fixed";
  let opener: HTMLElement | undefined;
  let titleVersion = "";
  /** Opens a panel that floats over the conversation; one that stands beside it only gets the focus. */
  const open = (panel: HTMLElement, from: HTMLElement) => {
    if (floats(panel)) {
      opener = from;
      panel.classList.add("open");
      shade.hidden = false;
      // What lies below cannot be reached until the panel is closed.
      talk.inert = true;
      from.setAttribute("aria-expanded", "true");
    }
    const first = panel.querySelector<HTMLElement>('[aria-current], [tabindex="-1"]');
    (first ?? panel).focus();
  };
  const close = () => {
    if (opener === undefined) return;
    for (const panel of [rooms, people]) panel.classList.remove("open");
    shade.hidden = true;
    talk.inert = false;
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
    opener = undefined;
  };
  shade.addEventListener("click", close);
  toggle.addEventListener("click", () => open(people, toggle));
  roomTitle.addEventListener("click", () => open(rooms, roomTitle));
  // A panel that stands beside the conversation again is not open any more.
  addEventListener("resize", () => {
    const panel = opener === undefined ? undefined : document.querySelector(".side.open");
    if (panel instanceof HTMLElement && !floats(panel)) close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (opener !== undefined) close();
    else if (event.target instanceof Element && event.target.closest(".side") !== null) {
      byId("text").focus();
    }
  });
  roomForm.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = roomName.value.trim().replace(/^#/, "").toLowerCase();
    if (name === "") return;
    const problem = verbs.show(name);
    if (problem === undefined) roomName.value = "";
    setText(roomHint, problem === undefined ? "" : await sentenceOf(problem));
  });
  roomName.addEventListener("input", () => setText(roomHint, ""));
  byId("me").addEventListener("click", () => verbs.me());

  /** The room's name, and what is not read elsewhere, for where the list of rooms is out of sight. */
  const drawTitle = (shown: Room) => {
    let [unread, mentions] = [0, 0];
    for (const room of chat.rooms.values()) {
      if (room === shown) continue;
      unread += room.unread;
      mentions += room.mentions;
    }
    const version = `${shown.name} ${unread} ${mentions}`;
    if (version === titleVersion) return;
    titleVersion = version;
    const name = element("span", {}, `# ${shown.name}`);
    roomTitle.replaceChildren(name, ...drawBadge(unread, mentions));
  };

  return {
    close,
    showPeople: () => open(people, toggle),
    /** `isCalm` as long as nothing has to be said about the connection. */
    update(shown: Room, isCalm: boolean): void {
      roomList.update([...chat.rooms.values()].map((room) => ({
        key: room.name,
        version: `${room === shown} ${room.unread} ${room.mentions}`,
        make: () => drawRoom(room, room === shown, () => verbs.show(room.name)),
      })));
      drawTitle(shown);
      const { retentionDays = 0, retentionMessages = 0 } = chat.limits ?? {};
      // Who is here is not known yet when not even the person is, and not any more without a connection.
      const isKnown = isCalm && shown.memberCount > 0;
      const here = words.here(shown.memberCount);
      setText(roomHere, isKnown ? `${here} · ` : "");
      setText(roomKept, chat.limits ? words.retention(retentionDays, retentionMessages) : "");
      setText(toggle, isKnown ? here : peopleWord);
      setText(peopleTitle, isKnown ? words.hereNow(shown.memberCount) : peopleWord);
      people.classList.toggle("off", !isKnown);
      const members = [...shown.members].sort(([, one], [, other]) => one.localeCompare(other));
      peopleList.update(
        shown.isCrowded
          ? [{ key: "", version: "", make: () => element("li", { class: "hint" }, words.crowded) }]
          : members.map(([member, username]) => ({
            key: member,
            version: `${username} ${member === chat.member}`,
            make: () => drawPerson(username, member === chat.member),
          })),
      );
      setText(meName, chat.username);
      meDot.classList.toggle("off", !isCalm);
      setText(meState, isCalm ? "" : words.notConnected);
    },
  };
}

function drawRoom(room: Room, isShown: boolean, show: () => void): HTMLElement {
  const label = element("span", {}, `# ${room.name}`);
  const node = button(label, show, { class: room.unread > 0 ? "unread" : undefined });
  if (isShown) node.setAttribute("aria-current", "page");
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

// Navigation: the sidebars, which are drawers over the conversation on narrow screens, and the
// field that opens a room.

import type { Page } from "../page.ts";
import { suggestRoomName } from "../../../app/protocol/room_suggestion.ts";
import { isRoomName } from "../../../app/protocol/text.ts";
import { panels, sentenceOf } from "../words/language.ts";
import type { Failure } from "../words/language.ts";
import { button, byId, setText } from "./dom.ts";
import { isIncomplete, linkIncomplete } from "./private_rooms.ts";

/** Mounts the sidebars' drawers, and the field. */
export function mountNavigation({ chat, showRoom }: Page) {
  const drawers = [byId<"nav">("rooms"), byId<"aside">("people")];
  const talk = byId<"main">("talk");
  const shade = byId<"button">("shade");
  shade.ariaLabel = panels.closePanel;
  /** The button that opened a drawer. */
  let opener: HTMLElement | undefined;

  const isFloating = (sidebar: HTMLElement) => getComputedStyle(sidebar).position === "fixed";
  /** Focuses a sidebar. On narrow screens, opens it as a drawer first. */
  const open = (sidebar: HTMLElement, by: HTMLElement) => {
    if (isFloating(sidebar)) {
      opener = by;
      sidebar.classList.add("open");
      shade.hidden = false;
      talk.inert = true;
      by.setAttribute("aria-expanded", "true");
      history.pushState("drawer", "");
    }
    const first = sidebar.querySelector<HTMLElement>('[aria-current], [tabindex="-1"]');
    (first ?? sidebar).focus();
  };
  const close = () => {
    if (opener === undefined) return;
    for (const drawer of drawers) drawer.classList.remove("open");
    shade.hidden = true;
    talk.inert = false;
    opener.setAttribute("aria-expanded", "false");
    opener.focus();
    opener = undefined;
    if (history.state === "drawer") history.back();
  };
  shade.addEventListener("click", close);
  // On a wider screen the sidebar is no longer a drawer.
  addEventListener("resize", () => {
    const drawer = drawers.find(({ classList }) => classList.contains("open"));
    if (drawer !== undefined && !isFloating(drawer)) close();
  });
  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    // A dialog over the drawer closes first, or has just closed.
    const isForDialog = event.defaultPrevented || byId<"dialog">("dialog").open;
    if (key !== "Escape" || isForDialog) return;
    if (opener !== undefined) {
      // Otherwise the composer would take the focus.
      event.preventDefault();
      close();
    } else if (target instanceof Element && target.closest(".side") !== null) {
      byId<"textarea">("text").focus();
    }
  });

  const roomName = byId<"input">("room-name");
  const hint = byId<"p">("room-hint");
  roomName.addEventListener("input", () => setText(hint, ""));
  /** Shows the room whose name was typed. Returns the reason if it cannot. */
  const showTyped = (typed: string): Failure | undefined => {
    const name = typed.trim().replace(/^#\s*/, "").toLowerCase();
    if (isIncomplete(chat, name)) return linkIncomplete;
    return isRoomName(name) ? showRoom(name) : (words) => words.roomInvalid(suggestRoomName(name));
  };
  const openRoom = async (typed: string) => {
    if (typed.trim() === "") return;
    const failure = showTyped(typed);
    if (failure === undefined) return void (roomName.value = "");
    setText(hint, await sentenceOf(failure));
    const similar = suggestRoomName(typed);
    if (typeof failure !== "function" || similar === "") return;
    setText(hint, panels.roomRule);
    hint.append(" ", button(panels.openRoom(similar), () => openRoom(similar), { class: "link" }));
  };
  byId<"form">("room-form").addEventListener("submit", (event) => {
    event.preventDefault();
    void openRoom(roomName.value);
  });

  const showPeople = () => open(byId<"aside">("people"), byId<"button">("people-toggle"));
  byId<"button">("people-toggle").addEventListener("click", showPeople);
  const roomTitle = byId<"button">("room-title");
  roomTitle.addEventListener("click", () => open(byId<"nav">("rooms"), roomTitle));

  const rooms = byId<"nav">("rooms");
  let shown: string | undefined;
  /** Scrolls the current room's entry into view once it is drawn. */
  const showEntry = (room: string | undefined) => {
    const entry = rooms.querySelector("[aria-current]");
    if (room === shown || entry === null) return;
    shown = room;
    const { top, bottom } = entry.getBoundingClientRect();
    const min = rooms.getBoundingClientRect().top;
    const max = byId<"button">("me").getBoundingClientRect().top;
    if (top < min || bottom > max) rooms.scrollTop += top - (min + max) / 2;
  };

  return { closeDrawers: close, showPeople, showTyped, showEntry };
}

// The room directory: finds a room of the chat, or creates one.

import { basePath, storageOf } from "../browser.ts";
import { loadStoredRooms } from "../state/stored_rooms.ts";
import type { Page } from "../page.ts";
import { suggestRoomName } from "../../../app/protocol/room_suggestion.ts";
import type { DirectoryRoom } from "../../../app/protocol/wire.ts";
import { panels, words } from "../words/language.ts";
import { shortTime } from "./day_names.ts";
import { button, element, setText } from "./dom.ts";
import { form, statusLine } from "./forms.ts";

const shownMax = 100;

/** Returns the content of the dialog. `open` shows a room. */
export function directorySection(
  { profile }: Page,
  open: (room: string) => void,
): HTMLElement {
  const field = element("input", {
    "aria-label": panels.findRoom,
    placeholder: panels.findRoom,
    autocapitalize: "none",
    autocorrect: "off",
    spellcheck: "false",
    // A room name with a leading #.
    maxlength: 33,
    enterkeyhint: "go",
  });
  const status = statusLine();
  setText(status, panels.loading);
  const list = element("ul", { class: "directory", role: "list" });
  let rooms: readonly DirectoryRoom[] = [];

  const line = (room: string, about: string, title?: string, label = room) =>
    element(
      "li",
      {},
      button(
        element(
          "span",
          { translate: "no" },
          `# ${label}`,
          title && element("bdi", {}, ` ${title}`),
        ),
        () => open(room),
        { title: label },
      ),
      element("small", {}, about),
    );
  const stored = [...loadStoredRooms(storageOf("localStorage"))];
  const draw = () => {
    const typed = suggestRoomName(field.value);
    const query = field.value.trim().toLowerCase();
    const found = rooms.filter(({ room, title }) =>
      typed !== "" && room.includes(typed) || (title ?? "").toLowerCase().includes(query)
    ).slice(0, shownMax);
    const lines = found.map(({ room, members, at, title }) =>
      line(room, panels.here(members) + (at === undefined ? "" : ` · ${shortTime(at)}`), title)
    );
    const own = stored.filter(([, { label }]) => label.toLowerCase().includes(query))
      .map(([room, { label }]) => line(room, panels.privately, "", label));
    const isNew = typed !== "" && rooms.every(({ room }) => room !== typed);
    list.replaceChildren(...own, ...lines, ...isNew ? [line(typed, panels.newRoom)] : []);
  };
  const load = async () => {
    const headers: HeadersInit = profile.access ? { "parley-access-code": profile.access } : {};
    const response = await fetch(`${basePath}/rooms`, { headers });
    if (!response.ok) return setText(status, panels.noDirectory);
    rooms = (await response.json()).rooms;
    setText(status, "");
    draw();
  };
  load().catch(() => setText(status, words.loadFailed));
  field.addEventListener("input", draw);
  return form(() => list.querySelector("button")?.click(), field, status, list);
}

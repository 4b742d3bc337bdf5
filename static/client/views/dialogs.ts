// Opens the dialogs: help, settings, the room directory, search, moderation, and the offer to use a
// name from another device.

import { parseUsername } from "../../../app/protocol/usernames.ts";
import { storageOf } from "../browser.ts";
import type { Page } from "../page.ts";
import type { HiddenMembers } from "../state/hidden_members.ts";
import { loadOpenRooms, saveOpenRooms } from "../state/open_rooms.ts";
import type { Profile } from "../state/profile.ts";
import { loadStoredRooms, storeRoom } from "../state/stored_rooms.ts";
import type { StoredRoom } from "../state/stored_rooms.ts";
import { panels } from "../words/language.ts";
import { directorySection } from "./directory.ts";
import { button, byId, element, isTouch, keepFocus } from "./dom.ts";
import { codeForm, memberForm, sanctionList, titleList } from "./moderation.ts";
import type { Content } from "./moderation.ts";
import { searchSection } from "./search.ts";
import { releaseFocus } from "./focus.ts";
import { nameOfShortcut } from "./shortcuts.ts";
import { nameForm, settingsSections } from "./settings_form.ts";

/** Mounts the dialogs; each method opens one. */
export function mountDialogs(page: Page, hidden: HiddenMembers) {
  const { chat } = page;
  const dialog = byId<"dialog">("dialog");
  const close = () => dialog.close();
  let update: (() => void) | undefined;
  dialog.addEventListener("close", () => {
    // The event is late: the dialog may be open again.
    if (dialog.open) return;
    update = undefined;
    releaseFocus(dialog);
    keepFocus();
  });
  dialog.addEventListener("keydown", (event) => {
    // Without this, the first Escape only empties a search field.
    if (event.key !== "Escape") return;
    event.preventDefault();
    close();
  });
  const open = (title: string, ...content: readonly Node[]) => {
    update = undefined;
    dialog.replaceChildren(
      element(
        "header",
        { class: "line" },
        element("h2", { id: "dialog-title" }, title),
        button(panels.close, close, { class: "second" }),
      ),
      ...content,
    );
    if (!dialog.open) return dialog.showModal();
    // Replacing the content has removed the focused element.
    dialog.querySelector("button")?.focus();
  };
  const show = (content: Content) => {
    open(content.title, ...content.nodes);
    update = content.update;
    content.update();
  };
  const openRoom = (name: string) => {
    close();
    page.openRoom(name);
  };
  /** Opens the list of mutes and bans, or asks for the moderator code. */
  const openModeration = () =>
    page.room && show(
      chat.session.moderation.moderator
        ? sanctionList(chat, page.room, openTitles)
        : codeForm(chat, openModeration),
    );
  const openTitles = () => page.room && show(titleList(chat, page.room));

  return {
    open,
    openModeration,
    openTitles,
    /** Opens the actions on another member. */
    openMember(member: string, username: string): void {
      const actions = { onHide: close, onSanction: openModeration };
      show(memberForm(chat, hidden, member, username, actions));
    },
    /** Redraws the open dialog after a change of the chat. */
    update: () => update?.(),

    openDirectory(): void {
      open(panels.allRooms, directorySection(page, openRoom));
    },

    /** Opens the search. `openMessage` shows a message. */
    openSearch(query: string, openMessage: (room: string, offset: number) => void): void {
      const closeAndOpen = (room: string, offset: number) => {
        close();
        openMessage(room, offset);
      };
      open(panels.search, searchSection(page, hidden, query, openRoom, closeAndOpen));
      dialog.querySelector("input")?.focus();
    },

    openHelp(): void {
      const commands = Object.entries(panels.commands).map(([command, [argument, meaning]]) =>
        [`${command} ${argument}`, meaning] as const
      );
      const lists = [commands, ...isTouch() ? [] : [panels.keys], panels.formatting];
      const draw = ([key, meaning]: readonly [string, string]) => [
        element("dt", {}, element("code", {}, nameOfShortcut(key))),
        element("dd", {}, meaning),
      ];
      open(panels.helpTitle, ...lists.map((list) => element("dl", {}, ...list.flatMap(draw))));
    },

    /** Opens the settings, with those of the current room. */
    openSettings(): void {
      const name = nameForm(chat, close);
      open(panels.settings, name.form, ...settingsSections(page, hidden, close));
      update = name.update;
    },

    /** Asks whether to use the identity of another device here. */
    offerName(other: Profile, rooms: ReadonlyMap<string, StoredRoom>): void {
      if (!parseUsername(other.username).ok) return;
      // Messages written under one name must not be sent under another.
      const hasUnsent = chat.outbox.rooms.size > 0;
      const text = hasUnsent
        ? panels.offerNameLater
        : panels.offerName(other.username, page.profile.username);
      const takeOver = () => {
        const storage = storageOf("localStorage");
        const stored = loadStoredRooms(storage);
        // A room that this browser has keeps its key and its label.
        for (const [name, room] of rooms) if (!stored.has(name)) storeRoom(storage, name, room);
        saveOpenRooms(storage, [...new Set([...loadOpenRooms(storage), ...rooms.keys()])]);
        page.replaceProfile(other);
      };
      const accept = button(panels.continueAs(other.username), takeOver, { class: "primary" });
      const labels = [...rooms.values()].map(({ label }) => `# ${label}`).join(", ");
      const included = rooms.size > 0 && element("p", {}, `${panels.takeAlong} ${labels}`);
      open(
        panels.thisDevice,
        element("section", {}, element("p", {}, text), included, !hasUnsent && accept),
      );
    },
  };
}

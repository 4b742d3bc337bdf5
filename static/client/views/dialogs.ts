// The dialogs: help, settings, and the offer to use a name from another device.

import type { ChatClient } from "../state/chat_client.ts";
import type { Profile } from "../state/profile.ts";
import type { PanelWords } from "../words/panel_words_en.ts";
import { button, byId, element, isTouch } from "./dom.ts";
import { showEmptyRoom } from "./empty_room.ts";
import { settingsSections } from "./settings_form.ts";
import type { SettingsActions } from "./settings_form.ts";

/** What the dialogs ask of the page. */
export interface DialogActions extends SettingsActions {
  /** Makes this browser use another identity. */
  replaceProfile(profile: Profile): void;
}

/** Mounts the dialogs; each method opens one. */
export function mountDialogs(words: PanelWords, chat: ChatClient, actions: DialogActions) {
  const dialog = byId<"dialog">("dialog");
  const close = () => dialog.close();
  const open = (title: string, ...content: readonly Node[]) => {
    dialog.replaceChildren(
      element(
        "header",
        { class: "line" },
        element("h2", { id: "dialog-title" }, title),
        button(words.close, close, { class: "second" }),
      ),
      ...content,
    );
    if (!dialog.open) dialog.showModal();
  };

  return {
    showEmptyRoom: (place: HTMLElement) => showEmptyRoom(words, place),

    openHelp(): void {
      const commands = Object.entries(words.commands).map(([command, [argument, meaning]]) =>
        [`${command} ${argument}`, meaning] as const
      );
      const lists = [commands, ...isTouch() ? [] : [words.keys], words.formatting];
      const draw = ([key, meaning]: readonly [string, string]) => [
        element("dt", {}, element("code", {}, key)),
        element("dd", {}, meaning),
      ];
      open(words.helpTitle, ...lists.map((list) => element("dl", {}, ...list.flatMap(draw))));
    },

    /** Opens the settings, with those of `room`. */
    openSettings(room: string): void {
      open(words.settings, ...settingsSections(words, chat, room, actions, close));
    },

    /** Asks whether to use the identity of another device here. */
    offerName(other: Profile): void {
      // Messages written under one name must not be sent under another.
      const hasUnsent = chat.outbox.rooms.size > 0;
      const text = hasUnsent
        ? words.offerNameLater
        : words.offerName(other.username, actions.profile.username);
      const accept = button(
        words.continueAs(other.username),
        () => actions.replaceProfile(other),
        { class: "primary" },
      );
      open(words.thisDevice, element("section", {}, element("p", {}, text), !hasUnsent && accept));
    },
  };
}

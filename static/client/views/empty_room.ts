// What a room without messages shows: an invitation to write, and the link to share.

import type { PanelWords } from "../words/panel_words_en.ts";
import { copyButton, element } from "./dom.ts";

/** Fills the place of the messages. */
export function showEmptyRoom(words: PanelWords, place: HTMLElement): void {
  const link = location.origin + location.pathname;
  place.replaceChildren(
    element("p", {}, words.emptyRoom),
    element(
      "p",
      { class: "line" },
      element("a", { href: link }, link),
      copyButton(() => link, "second"),
    ),
    element("p", { class: "hint" }, words.notPrivate),
  );
}

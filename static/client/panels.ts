// The panels that open over the page: help, and the person's own settings. They are loaded when they are first wanted, so
// what the first scripts have already is lent to them. The browser's dialog keeps and gives back the focus.

import type { parseUsername } from "../../app/protocol.ts";
import type { Chat } from "./chat.ts";
import type { button, byId, element, setText } from "./dom.ts";
import type { PanelWords } from "./panel_words.ts";
import type { Words } from "./words.ts";

/** What the page's first scripts lend. */
export interface Lent {
  readonly button: typeof button;
  readonly byId: typeof byId;
  readonly element: typeof element;
  readonly setText: typeof setText;
  readonly parseUsername: typeof parseUsername;
  readonly words: Words;
  readonly sentences: PanelWords;
}

/** What a person can do in a panel. */
export interface PanelVerbs {
  /** Says goodbye; the name stays. */
  signOut(): void;
}

/** The panels. */
export type Panels = ReturnType<typeof mountPanels>;

/** Mounts the panels; each method opens one. */
export function mountPanels(lent: Lent, chat: Chat, verbs: PanelVerbs) {
  const { button, byId, element, setText, parseUsername, words, sentences } = lent;
  const dialog = byId("dialog", HTMLDialogElement);

  const show = (title: string, ...content: readonly Node[]) => {
    dialog.replaceChildren(
      element("h2", { id: "dialog-title" }, title),
      ...content,
      button(sentences.close, () => dialog.close(), { class: "second" }),
    );
    if (!dialog.open) dialog.showModal();
  };

  return {
    /** Shows the commands and keys. */
    help(): void {
      const rows = Object.entries(words.commands).map(([command, [argument, what]]) =>
        [`${command} ${argument}`, what] as const
      );
      const list = [...rows, ...sentences.keys].flatMap(([key, what]) => [
        element("dt", {}, element("code", {}, key)),
        element("dd", {}, what),
      ]);
      show(sentences.helpTitle, element("dl", {}, ...list));
    },

    /** Shows the person's name, and what can be done with it. */
    me(): void {
      const input = element("input", {
        id: "new-name",
        value: chat.username,
        autocomplete: "nickname",
        spellcheck: "false",
        maxlength: 64,
        dir: "auto",
      });
      const hint = element("p", { class: "hint", role: "status" });
      const go = element("button", { type: "submit", class: "primary" }, sentences.change);
      const form = element(
        "form",
        {},
        element("label", { for: "new-name", class: "hint" }, sentences.yourName),
        input,
        hint,
        go,
      );
      input.addEventListener("input", () => {
        const parsed = parseUsername(input.value);
        setText(hint, parsed.ok ? "" : words.problem(parsed.message));
      });
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const parsed = parseUsername(input.value);
        if (!parsed.ok) return setText(hint, words.problem(parsed.message));
        chat.rename(parsed.value);
        dialog.close();
      });
      const away = button(sentences.signOut, () => {
        dialog.close();
        verbs.signOut();
      }, { class: "second" });
      show(sentences.yourName, form, element("section", {}, away));
    },
  };
}

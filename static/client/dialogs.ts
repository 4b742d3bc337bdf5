// The two panels that open over the page: help, and the person's own settings. The browser's dialog keeps and gives back
// the focus.

import { parseUsername } from "../../app/protocol.ts";
import type { Chat } from "./chat.ts";
import { button, byId, element, setText } from "./dom.ts";
import { words } from "./language.ts";

/** Shows the commands and keys. */
export function showHelp(): void {
  const rows = Object.entries(words.commands).map(([command, [argument, what]]) =>
    [`${command} ${argument}`, what] as const
  );
  const list = [...rows, ...words.keys].flatMap(([key, what]) => [
    element("dt", {}, element("code", {}, key)),
    element("dd", {}, what),
  ]);
  show(words.helpTitle, element("dl", {}, ...list));
}

/** Shows the person's name, and what can be done with it. */
export function showMe(chat: Chat, leave: () => void): void {
  const input = element("input", {
    id: "new-name",
    value: chat.username,
    autocomplete: "nickname",
    spellcheck: "false",
    maxlength: 64,
    dir: "auto",
  });
  const hint = element("p", { class: "hint", role: "status" });
  const go = element("button", { type: "submit", class: "primary" }, words.change);
  const form = element(
    "form",
    {},
    element("label", { for: "new-name", class: "hint" }, words.yourName),
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
    byId("dialog", HTMLDialogElement).close();
  });
  const away = button(words.signOut, () => {
    byId("dialog", HTMLDialogElement).close();
    leave();
  }, { class: "second" });
  show(words.yourName, form, element("section", {}, away));
}

function show(title: string, ...content: readonly Node[]): void {
  const dialog = byId("dialog", HTMLDialogElement);
  dialog.replaceChildren(
    element("h2", { id: "dialog-title" }, title),
    ...content,
    button(words.close, () => dialog.close(), { class: "second" }),
  );
  dialog.showModal();
}

// What a room shows in which nobody has said anything: a sentence, and the address to share. Loaded with the panels, by which
// it is lent what it needs.

import type { Lent } from "./dialogs.ts";

/** Fills the place where the messages will be. */
export function invite(lent: Lent, place: HTMLElement): void {
  const { element, sentences } = lent;
  // Without what stands behind the path: the address of the room and nothing more.
  const address = location.origin + location.pathname;
  const line = element("p", { class: "line" }, element("a", { href: address }, address));
  // There is no clipboard on a plain http address.
  if (navigator.clipboard !== undefined) line.append(copyButton(lent, () => address));
  place.replaceChildren(
    element("p", {}, sentences.emptyRoom),
    line,
    element("p", { class: "hint" }, sentences.notPrivate),
  );
}

/** A button that copies a text, and says that it has. */
export function copyButton({ button, setText, words }: Lent, text: () => string): HTMLElement {
  const copy = button(words.copy, async () => {
    await navigator.clipboard.writeText(text());
    setText(copy, words.copied);
  }, { class: "second" });
  return copy;
}

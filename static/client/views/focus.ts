// Keeps focus out of elements that disappear, from where it would fall to the body.

import { keepFocus } from "./dom.ts";

/** Moves focus to the composer if it is within an element that disappears. */
export function releaseFocus(element: Element): void {
  const { activeElement } = document;
  if (!(activeElement instanceof HTMLElement) || !element.contains(activeElement)) return;
  activeElement.blur();
  keepFocus();
}

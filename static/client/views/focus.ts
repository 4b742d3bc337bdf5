// Moves focus out of elements that disappear, so that the page does not lose it.

import { keepFocus } from "./dom.ts";

/** Moves focus to the composer if it is in an element about to disappear. */
export function releaseFocus(element: Element): void {
  const { activeElement } = document;
  if (!(activeElement instanceof HTMLElement) || !element.contains(activeElement)) return;
  activeElement.blur();
  keepFocus();
}

// Moves focus out of elements that disappear, so that the page does not lose it.

import { keepFocus } from "./dom.ts";

/** Moves focus to the previous or next element within a parent that matches a selector. */
export function step(
  event: KeyboardEvent,
  parent: HTMLElement,
  selector: string,
  back: string,
  forth: string,
): void {
  const direction = [back, "", forth].indexOf(event.key) - 1;
  if (Math.abs(direction) !== 1) return;
  event.preventDefault();
  const nodes = Array.from(parent.querySelectorAll<HTMLElement>(selector))
    .filter((node) => node.checkVisibility());
  const current = nodes.findIndex((node) => node === document.activeElement);
  nodes.at((current + direction) % nodes.length)?.focus();
}

/** Moves focus to the composer if it is in an element about to disappear. */
export function releaseFocus(element: Element): void {
  const { activeElement } = document;
  if (!(activeElement instanceof HTMLElement) || !element.contains(activeElement)) return;
  activeElement.blur();
  keepFocus();
}

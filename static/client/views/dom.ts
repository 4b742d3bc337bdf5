// Creates DOM nodes. All of the page's nodes come from here, so text never becomes HTML.

import { words } from "../words/language.ts";

type Child = Node | string | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Creates an element. Attributes that are `false` or `undefined` are left out; `true` is empty. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== undefined && child !== false));
  return node;
}

/** Creates a button. */
export function button(
  label: Child,
  onClick: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const node = element("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", onClick);
  return node;
}

/** The ids of index.html that the scripts use, and their elements. A test compares them. */
interface PageTags {
  readonly prompt: "main";
  readonly "prompt-form": "form";
  readonly "prompt-title": "h1";
  readonly "prompt-here": "p";
  readonly "prompt-name": "input";
  readonly "prompt-access": "label";
  readonly "prompt-hint": "p";
  readonly "prompt-go": "button";
  readonly app: "div";
  readonly rooms: "nav";
  readonly "room-list": "ul";
  readonly "room-form": "form";
  readonly "room-name": "input";
  readonly "room-hint": "p";
  readonly me: "button";
  readonly "me-dot": "span";
  readonly "me-name": "bdi";
  readonly "me-state": "small";
  readonly talk: "main";
  readonly "room-title": "button";
  readonly "room-here": "span";
  readonly "room-kept": "span";
  readonly "people-toggle": "button";
  readonly log: "div";
  readonly rows: "div";
  readonly "to-end": "button";
  readonly status: "p";
  readonly typing: "p";
  readonly suggestions: "ul";
  readonly composer: "form";
  readonly text: "textarea";
  readonly "composer-hint": "span";
  readonly "composer-problem": "p";
  readonly people: "aside";
  readonly "people-title": "h2";
  readonly "people-list": "ul";
  readonly shade: "button";
  readonly dialog: "dialog";
}

/** Returns the element of index.html with this id. */
export function byId<Id extends keyof PageTags>(id: Id) {
  return document.getElementById(id) as HTMLElementTagNameMap[PageTags[Id]];
}

/** Sets the text of a node if it differs, since a live region reads every change aloud. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Creates a button that copies a text; `undefined` on plain http, where there is no clipboard. */
export function copyButton(text: () => string, className?: string): HTMLElement | undefined {
  if (navigator.clipboard === undefined) return undefined;
  const copy = button(words.copy, async () => {
    await navigator.clipboard.writeText(text());
    setText(copy, words.copied);
  }, { class: className });
  return copy;
}

/** Whether the person types on the screen, where Enter begins a new line. */
export function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

// Creates DOM nodes. All of the page's nodes come from here, so text never becomes HTML.

export type Child = Node | string | undefined | false;
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

export function button(
  label: Child,
  onClick: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const node = element("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", onClick);
  return node;
}

/** Returns the element of index.html with this tag and id. A test checks that it exists. */
export function byId<Tag extends keyof HTMLElementTagNameMap>(id: string) {
  return document.getElementById(id) as HTMLElementTagNameMap[Tag];
}

/**
 * Sets the text of a node if it differs from the last one, since a live region reads every change
 * aloud. Meanwhile, the browser may have translated the node.
 */
export function setText(node: HTMLElement & { lastText?: string }, text: string): void {
  if (node.lastText !== text) node.textContent = node.lastText = text;
}

/** Returns a text as nodes in which isolated names (U+2068 to U+2069) aren't translated. */
export function withNames(text: string): (Node | string)[] {
  return text.split(/\u2068(.*?)\u2069/).map((part, i) =>
    i % 2 === 1 ? element("bdi", { translate: "no" }, part) : part
  );
}

/** Whether the person types on the screen, where Enter begins a new line. */
export function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

/** Focuses the composer if nothing has focus, or the log where focus would open a keyboard. */
export function keepFocus(): void {
  if (document.activeElement !== document.body) return;
  (isTouch() ? byId<"div">("log") : byId<"textarea">("text")).focus();
}

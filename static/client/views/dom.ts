// Building and keeping DOM nodes: the only ways in which the page makes any. Text is always text, never HTML.

type Child = Node | string | undefined | false;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Makes an element. An attribute that is `false` or `undefined` is left out; `true` is an empty one. */
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

/** A button that does something. */
export function button(
  label: Child,
  act: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const node = element("button", { type: "button", ...attributes }, label);
  node.addEventListener("click", act);
  return node;
}

/** The elements of index.html that the scripts use, and what each is. */
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

/** Returns the element of index.html with this id. A test compares {@linkcode PageTags} with the file. */
export function byId<Id extends keyof PageTags>(id: Id) {
  return document.getElementById(id) as HTMLElementTagNameMap[PageTags[Id]];
}

/** Sets the text of a node, when it is another: a live region would say it again. */
export function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** One thing of a list: the same `key` is the same thing, the same `version` looks the same. */
export interface Row {
  readonly key: string;
  readonly version: string;
  readonly make: () => HTMLElement;
}

/** Makes the children of a parent be those of the rows, in order, and leaves alone what has not changed. */
export class List {
  readonly #parent: HTMLElement;
  #shown = new Map<string, { readonly version: string; readonly node: HTMLElement }>();

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  update(rows: readonly Row[]): void {
    const before = this.#shown;
    this.#shown = new Map();
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, { node }] of before) {
      if (!keys.has(key)) node.remove();
    }
    let cursor = this.#parent.firstElementChild;
    for (const { key, version, make } of rows) {
      const known = before.get(key);
      const node = known?.version === version ? known.node : make();
      this.#shown.set(key, { version, node });
      if (known !== undefined && known.node !== node) {
        if (cursor === known.node) cursor = node;
        known.node.replaceWith(node);
      }
      if (node === cursor) cursor = cursor.nextElementSibling;
      else this.#parent.insertBefore(node, cursor);
    }
  }
}

// Updates the children of an element from a list of rows, and leaves unchanged rows alone.

import { keepFocus } from "./dom.ts";

/** One child of the list. */
export interface Row {
  /** Identifies the row in its list. */
  readonly key: string;
  /** Changes whenever the row has to be drawn again. */
  readonly version: string;
  readonly create: () => HTMLElement;
}

interface DrawnRow {
  readonly key: string;
  readonly version: string;
  readonly node: HTMLElement;
}

/** The children of one element. */
export class KeyedList {
  readonly #parent: HTMLElement;
  readonly #drawn: DrawnRow[] = [];

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  /** Makes the children match `rows`, in order. The first `unchanged` rows are as before. */
  update(rows: readonly Row[], unchanged = 0): void {
    const before = this.#drawn.splice(unchanged);
    const { activeElement } = document;
    const focused = before.find(({ node }) => node.contains(activeElement));
    const reusable = new Map(before.map((drawn) => [drawn.key, drawn]));
    for (const { key, version, create } of rows.slice(unchanged)) {
      const known = reusable.get(key);
      if (known?.version === version) reusable.delete(key);
      this.#drawn.push(known?.version === version ? known : { key, version, node: create() });
    }
    for (const { node } of reusable.values()) node.remove();
    let cursor = this.#drawn[unchanged - 1]?.node.nextElementSibling ??
      (unchanged === 0 ? this.#parent.firstElementChild : null);
    for (const { node } of this.#drawn.slice(unchanged)) {
      if (node === cursor) cursor = cursor.nextElementSibling;
      else this.#parent.insertBefore(node, cursor);
    }
    if (focused?.node.isConnected !== false) return;
    // The focus stays on the row, or else in the list.
    const again = this.#drawn.find(({ key }) => key === focused.key)?.node.querySelector("button");
    (again ?? this.#parent.querySelector<HTMLElement>("[aria-current]"))?.focus();
    keepFocus();
  }
}

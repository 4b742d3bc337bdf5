// Updates the content of an element from a list of rows, and reuses the nodes of unchanged rows.

import { element, keepFocus, withNames } from "./dom.ts";

export interface Row {
  /** Identifies the row in its list. */
  readonly key: string;
  /** Changes whenever the row must be drawn again. */
  readonly version: string;
  readonly create: () => HTMLElement;
  /**
   * Rows with the same number share a parent; numbers ascend. Layout visits all children of an
   * element, so a long list needs blocks.
   */
  readonly block?: number;
}

/** Returns a row with a line of text. */
export function lineRow(key: string, className: string, text: string): Row {
  const create = () => element("p", { class: className, dir: "auto" }, ...withNames(text));
  return { key, version: text, create };
}

/** Returns a row with a horizontal rule and a text on it. */
export function ruleRow(key: string, className: string, text: string): Row {
  const attributes = { class: className, role: "separator", "aria-label": text };
  return { key, version: text, create: () => element("p", attributes, text) };
}

interface DrawnRow extends Row {
  readonly node: HTMLElement;
}

/** The rows in one element. */
export class KeyedList {
  readonly #parent: HTMLElement;
  readonly #blocks = new Map<number, HTMLElement>();
  readonly #drawn: DrawnRow[] = [];

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  /** Makes the nodes match `rows`, of which the first `unchanged` are as before. */
  update(rows: readonly Row[], unchanged = 0): void {
    const before = this.#drawn.splice(unchanged);
    const { activeElement } = document;
    const focused = before.find(({ node }) => node.contains(activeElement));
    const reusable = new Map(before.map((drawn) => [drawn.key, drawn]));
    for (const row of rows.slice(unchanged)) {
      const known = reusable.get(row.key);
      const isCurrent = known?.version === row.version;
      if (isCurrent) reusable.delete(row.key);
      this.#drawn.push({ ...row, node: isCurrent ? known.node : row.create() });
    }
    for (const { node } of reusable.values()) {
      node.parentElement?.removeAttribute("style");
      node.remove();
    }
    let previous = this.#drawn[unchanged - 1]?.node;
    for (const { node, block } of this.#drawn.slice(unchanged)) {
      const parent = this.#parentOf(block, previous);
      const next = previous?.parentNode === parent
        ? previous.nextElementSibling
        : parent.firstElementChild;
      if (node !== next) {
        parent.insertBefore(node, next);
        // A skipped block has a fixed height, so it must be measured again. But not for each new
        // message at its end, which would lay out the whole block.
        if (next) parent.removeAttribute("style");
      }
      previous = node;
    }
    for (const [block, node] of this.#blocks) {
      if (node.hasChildNodes()) continue;
      node.remove();
      this.#blocks.delete(block);
    }
    if (focused?.node.isConnected !== false) return;
    // Keep the focus on the same row, or else in the list.
    const again = this.#drawn.find(({ key }) => key === focused.key)?.node.querySelector("button");
    (again ?? this.#parent.querySelector<HTMLElement>("[aria-current]"))?.focus();
    keepFocus();
  }

  /** Returns the parent of a row. A new block follows that of the previous row. */
  #parentOf(block: number | undefined, previous: HTMLElement | undefined): HTMLElement {
    if (block === undefined) return this.#parent;
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    const created = element("div");
    this.#blocks.set(block, created);
    const next = previous?.parentElement
      ? previous.parentElement.nextElementSibling
      : this.#parent.firstElementChild;
    this.#parent.insertBefore(created, next);
    return created;
  }
}

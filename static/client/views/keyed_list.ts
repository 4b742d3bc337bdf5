// Updates the children of an element from a list of rows, and leaves unchanged rows alone.

/** One child of the list. */
export interface Row {
  /** Identifies the row in its list. */
  readonly key: string;
  /** Changes whenever the row has to be drawn again. */
  readonly version: string;
  readonly create: () => HTMLElement;
}

/** The children of one element. */
export class KeyedList {
  readonly #parent: HTMLElement;
  #children: ReadonlyMap<string, { readonly version: string; readonly node: HTMLElement }> =
    new Map();

  constructor(parent: HTMLElement) {
    this.#parent = parent;
  }

  /** Makes the children match `rows`, in order. */
  update(rows: readonly Row[]): void {
    const before = this.#children;
    this.#children = new Map(rows.map(({ key, version, create }) => {
      const known = before.get(key);
      return [key, known?.version === version ? known : { version, node: create() }];
    }));
    for (const [key, child] of before) {
      if (this.#children.get(key) !== child) child.node.remove();
    }
    let cursor = this.#parent.firstElementChild;
    for (const { node } of this.#children.values()) {
      if (node === cursor) cursor = cursor.nextElementSibling;
      else this.#parent.insertBefore(node, cursor);
    }
  }
}

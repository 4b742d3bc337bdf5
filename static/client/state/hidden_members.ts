// The members whose messages this browser hides.

import { readJson, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

export const hiddenKey = "parley.hidden";
/** Max hidden members. Hiding another one drops the earliest. */
const maxMembers = 200;

/** Keeps the hidden members and their names in the browser's storage, for all tabs. */
export class HiddenMembers {
  /** Called after a change, in this tab or another. */
  onChange = () => {};
  readonly #storage: KeyValue;
  #names: ReadonlyMap<string, string> = new Map();

  constructor(storage: KeyValue) {
    this.#storage = storage;
    this.load();
  }

  /** Usernames by member, as they were when each was hidden. */
  get names(): ReadonlyMap<string, string> {
    return this.#names;
  }

  get size(): number {
    return this.#names.size;
  }

  has(member: string): boolean {
    return this.#names.has(member);
  }

  /** Reads the storage, which another tab may have changed. */
  load(): void {
    const entries = Object.entries(Object(readJson(this.#storage, hiddenKey)));
    this.#names = new Map(entries.map(([member, username]) => [member, String(username)]));
    this.onChange();
  }

  hide(member: string, username: string): void {
    this.#save([...this.#names, [member, username]]);
  }

  show(member: string): void {
    this.#save([...this.#names].filter(([other]) => other !== member));
  }

  #save(entries: readonly (readonly [string, string])[]): void {
    this.#names = new Map(entries.slice(-maxMembers));
    writeJson(this.#storage, hiddenKey, Object.fromEntries(this.#names));
    this.onChange();
  }
}

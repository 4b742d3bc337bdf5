// Reads and writes JSON in the browser's storage, which may be forbidden, full or damaged. Nothing
// throws.

/** The part of the browser's `Storage` that the page uses. */
export type KeyValue = Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length">;

/** The fields of a value that may not be a valid `T`. */
export type Unchecked<T> = { readonly [K in keyof T]?: unknown };

/** Returns a storage that lasts as long as the page, for browsers that forbid theirs. */
export function memoryStorage(): KeyValue {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    key: (index) => [...values.keys()][index] ?? null,
    get length() {
      return values.size;
    },
  };
}

/** Returns a value, or `null` if it is missing or not JSON. */
export function readJson(storage: KeyValue, key: string): unknown {
  try {
    return JSON.parse(storage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** Returns the fields of a value; none if it is missing or not an object. */
export function readFields<T>(storage: KeyValue, key: string): Unchecked<T> {
  return Object(readJson(storage, key));
}

/** Keys with this prefix hold copies of the server's data, so they are removed first. */
export const snapshotPrefix = "parley.last.";

/** Stores a value as JSON, removing snapshots if it is full. Returns false if it fails. */
export function writeJson(storage: KeyValue, key: string, value: unknown): boolean {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    const snapshots = key.startsWith(snapshotPrefix) ? [] : keysWithPrefix(storage, snapshotPrefix);
    for (const snapshot of snapshots) removeKey(storage, snapshot);
    return snapshots.length > 0 && writeJson(storage, key, value);
  }
}

export function removeKey(storage: KeyValue, key: string): void {
  try {
    storage.removeItem(key);
  } catch {
    // A storage that cannot be written has nothing to remove.
  }
}

export function keysWithPrefix(storage: KeyValue, prefix: string): string[] {
  const keys: string[] = [];
  try {
    for (let i = 0; i < storage.length; i++) {
      const key = storage.key(i);
      if (key?.startsWith(prefix)) keys.push(key);
    }
  } catch {
    // A storage that cannot be read has no keys.
  }
  return keys;
}

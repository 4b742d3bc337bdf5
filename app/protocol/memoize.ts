// Memoization of pure functions.

/** Max results kept. A full cache is cleared. */
const maxResults = 1_000;
/** Longer keys are not cached, so that clients cannot fill the memory. */
const keyMaxLength = 256;

/** Returns `compute`, which must be pure, with a cache of its last results. */
export function memoize<T>(compute: (key: string) => T): (key: string) => T {
  const results = new Map<string, T>();
  return (key) => {
    if (key.length > keyMaxLength) return compute(key);
    if (results.size >= maxResults) results.clear();
    return results.getOrInsertComputed(key, compute);
  };
}

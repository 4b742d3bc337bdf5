// The filter of known nonces.

import { assert } from "@std/assert";
import { NonceFilter, nonceHash, NonceKey } from "../../../app/broker/sqlite/nonce_filter.ts";

const key = new NonceKey([0x811c9dc5, 0x9e3779b9, 0x01000193, 0x85ebca6b]);

Deno.test("NonceFilter.mayHave() returns true for every added nonce, and rarely for another", () => {
  const filter = new NonceFilter();
  const count = 100_000;
  const hash = (room: number, i: number) =>
    nonceHash(key, room, `member-${10 + i % 90}`, i.toString(36));
  for (let i = 0; i < count; i++) filter.add(hash(i % 10, i));
  let errors = 0;
  for (let i = 0; i < count; i++) {
    assert(filter.mayHave(hash(i % 10, i)), String(i));
    if (filter.mayHave(hash(i % 10, i + count))) errors++;
    if (filter.mayHave(hash(10 + i % 10, i))) errors++;
  }
  assert(errors < count / 10_000, `${errors} errors`);
});

Deno.test("nonceHash() spreads numbered nonces evenly by the upper bits of both halves", () => {
  const counts = { high: new Array<number>(64).fill(0), low: new Array<number>(64).fill(0) };
  for (let i = 0; i < 6_400; i++) {
    const { high, low } = nonceHash(key, 1, "ada", `m${i}`);
    counts.high[high >>> 26]!++;
    counts.low[low >>> 26]!++;
  }
  for (const count of [...counts.high, ...counts.low]) {
    assert(count > 50 && count < 150, `${count} in a part`);
  }
});

// The filter of known nonces.

import { assert } from "@std/assert";
import { NonceFilter } from "../../../app/broker/sqlite/nonce_filter.ts";

Deno.test("NonceFilter.mayHave() returns true for every added nonce, and rarely for another", () => {
  const filter = new NonceFilter();
  const count = 100_000;
  const key = (i: number) => [`member-${10 + i % 90}`, i.toString(36)] as const;
  for (let i = 0; i < count; i++) filter.add(i % 10, ...key(i));
  let errors = 0;
  for (let i = 0; i < count; i++) {
    assert(filter.mayHave(i % 10, ...key(i)), key(i).join());
    if (filter.mayHave(i % 10, ...key(i + count))) errors++;
    if (filter.mayHave(10 + i % 10, ...key(i))) errors++;
  }
  assert(errors < count / 1_000, `${errors} errors`);
});

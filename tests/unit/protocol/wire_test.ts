// Close codes and error codes.

import { assert } from "@std/assert";
import { mayReconnect, mayRetry } from "../../../app/protocol/wire.ts";

Deno.test("mayReconnect() and mayRetry() tell temporary codes from final ones [C1] [M8]", () => {
  for (const code of [1000, 4000, 4005, 4099]) assert(!mayReconnect(code));
  for (const code of [1001, 1006, 1012, 3999, 4100, 4999]) assert(mayReconnect(code));
  for (const code of ["rate_limited", "storage_unavailable", "draining"]) assert(mayRetry(code));
  for (const code of ["not_joined", "rooms_full", "anything else"]) assert(!mayRetry(code));
});

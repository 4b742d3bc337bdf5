// Limits on unread responses.

import { assertEquals } from "@std/assert";
import { peerAddress } from "../../../app/web/peer.ts";
import { ResponseLimits } from "../../../app/web/response_limits.ts";

Deno.test("ResponseLimits bounds the unread bytes of a network, until it has read them", async () => {
  const limits = new ResponseLimits();
  const client = peerAddress("192.0.2.1");
  const responses = Array.from({ length: 8 }, () => Promise.withResolvers<void>());
  for (const { promise } of responses) {
    assertEquals(limits.problem(client), undefined);
    limits.add(client, 1024 * 1024, promise);
  }
  assertEquals(limits.problem(client)?.code, "address_full");
  assertEquals(limits.problem(peerAddress("192.0.2.2")), undefined);
  responses[0]?.resolve();
  responses[1]?.reject(new Error("connection lost"));
  await Promise.allSettled(responses.slice(0, 2).map(({ promise }) => promise));
  assertEquals(limits.problem(client), undefined);
});

Deno.test("ResponseLimits allows a private address more than a public one", () => {
  const limits = new ResponseLimits();
  const client = peerAddress("10.0.0.1");
  for (let i = 0; i < 31; i++) limits.add(client, 1024 * 1024, new Promise(() => {}));
  assertEquals(limits.problem(client), undefined);
  limits.add(client, 1024 * 1024, new Promise(() => {}));
  assertEquals(limits.problem(client)?.status, 503);
});

// Limits on unread responses and unfinished requests.

import { assertEquals } from "@std/assert";
import { peerAddress } from "../../../app/web/peer.ts";
import { ResponseLimits } from "../../../app/web/response_limits.ts";
import { RawSocket, requestHead } from "../../support/raw_socket.ts";
import { until } from "../../support/waiting.ts";
import { startSite } from "../../support/web_harness.ts";

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

Deno.test("ResponseLimits bounds the unread bytes of an IPv6 /48, until it has read them", async () => {
  const limits = new ResponseLimits();
  const clients = Array.from({ length: 10 }, (_, i) => peerAddress(`2001:db8:1:${i}::1`));
  const { promise, resolve } = Promise.withResolvers<void>();
  const full = () => clients.map((client) => limits.problem(client)?.code === "address_full");
  for (const client of clients.slice(0, 8)) {
    assertEquals(limits.problem(client), undefined);
    limits.add(client, 8 * 1024 * 1024, promise);
  }
  assertEquals(full(), clients.map(() => true));
  assertEquals(limits.problem(peerAddress("2001:db8:2::1")), undefined);
  resolve();
  await promise;
  await Promise.resolve();
  assertEquals(full(), clients.map(() => false));
});

Deno.test("ResponseLimits allows a private address more than a public one", () => {
  const limits = new ResponseLimits();
  const client = peerAddress("10.0.0.1");
  for (let i = 0; i < 31; i++) limits.add(client, 1024 * 1024, new Promise(() => {}));
  assertEquals(limits.problem(client), undefined);
  limits.add(client, 1024 * 1024, new Promise(() => {}));
  assertEquals(limits.problem(client)?.status, 503);
});

Deno.test("serveWeb() bounds the unfinished requests of an address", async () => {
  await using site = await startSite({ trustProxy: 1 });
  const { port } = site.server;
  const statusFor = async (address: string) => {
    const headers = { "x-forwarded-for": address };
    const response = await fetch(`http://127.0.0.1:${port}/r/tea`, { method: "POST", headers });
    await response.body?.cancel();
    return response.status;
  };
  const sockets = await Promise.all(Array.from({ length: 130 }, async () => {
    const socket = await RawSocket.connect(port);
    await socket.write(requestHead("POST /r/tea HTTP/1.1", {
      "X-Forwarded-For": "203.0.113.5",
      "Authorization": `Basic ${btoa(`Eve:${"e".repeat(43)}`)}`,
      "Content-Length": "9",
    }));
    return socket;
  }));
  await until(async () => await statusFor("203.0.113.5") === 503, "the address is refused");
  assertEquals(await statusFor("203.0.113.6"), 401);
  for (const socket of sockets) socket[Symbol.dispose]();
  await until(async () => await statusFor("203.0.113.5") === 401, "the address may write again");
});

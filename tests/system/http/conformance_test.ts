// Rooms over HTTP with third-party clients: curl, and an EventSource from npm.

import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix -- only this test uses it
import { EventSource } from "npm:eventsource@5.1.5";
import type { ServerProcess } from "../../support/server_process.ts";
import { withBench } from "../../support/server_bench.ts";
import { until } from "../../support/waiting.ts";

const token = "c".repeat(43);

/** Forwards one request to a port, and drops the connection when the response begins. */
async function dropResponse(listener: Deno.TcpListener, port: number): Promise<void> {
  using client = await listener.accept();
  using server = await Deno.connect({ hostname: "127.0.0.1", port });
  const buffer = new Uint8Array(65_536);
  const count = await client.read(buffer);
  await server.write(buffer.subarray(0, count ?? 0));
  await server.read(buffer);
}

/** Runs curl and returns its status and output, headers included. */
async function curl(...args: readonly string[]) {
  const { code, stdout } = await new Deno.Command("curl", {
    args: ["-si", "-u", `ci:${token}`, ...args],
  }).output();
  return { code, output: new TextDecoder().decode(stdout) };
}

Deno.test("curl repeats a post whose response was lost, and it is stored once [H9]", async () => {
  await withBench(async ({ start }) => {
    const server = await start();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const post = ["-H", "idempotency-key: build-42", "-d", "Build 42 is green"];
    const dropped = dropResponse(listener, server.port);
    const lost = await curl(...post, `http://127.0.0.1:${listener.addr.port}/r/builds`);
    await dropped;
    assert(lost.code !== 0 && lost.output === "", lost.output);
    const again = async ({ url }: ServerProcess) => {
      const { code, output } = await curl(...post, `${url}r/builds`);
      assertEquals([code, output.split("\r\n", 1)[0]], [0, "HTTP/1.1 201 Created"]);
      assertEquals(/^location: (.*)\r$/m.exec(output)?.[1], "/r/builds/1");
      return output.slice(output.indexOf("{"));
    };
    const entry = await again(server);
    await server.end("SIGKILL");
    const restarted = await start();
    assertEquals(await again(restarted), entry);
    const { head } = await (await fetch(`${restarted.url}r/builds`)).json();
    assertEquals(head, 1);
  });
});

/** Posts `from` to `to` in order, and repeats each until it is stored. */
async function postNumbers(server: ServerProcess, from: number, to: number): Promise<void> {
  for (let n = from; n <= to;) {
    try {
      const response = await fetch(`${server.url}r/builds`, {
        method: "POST",
        body: String(n),
        headers: { authorization: `Basic ${btoa(`ci:${token}`)}`, "idempotency-key": `n${n}` },
      });
      await response.body?.cancel();
      if (response.status === 201) n++;
      else assertEquals(response.status, 503);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

Deno.test("an EventSource from npm loses and repeats nothing across kills and a drain [H14]", async () => {
  await withBench(async ({ start }) => {
    let server = await start();
    const { port } = server;
    const source = new EventSource(`${server.url}r/builds`);
    const texts: string[] = [];
    const events: string[] = [];
    source.addEventListener("message", ({ data }) => texts.push(JSON.parse(data).text));
    for (const type of ["room", "gap"]) source.addEventListener(type, () => events.push(type));
    await until(() => events.length > 0, "the stream is live");
    for (const [i, signal] of (["SIGKILL", "SIGTERM", "SIGKILL"] as const).entries()) {
      const posting = postNumbers(server, 30 * i + 1, 30 * i + 30);
      await until(() => texts.length > 30 * i + 5, "some messages arrived");
      await server.end(signal);
      server = await start({ port });
      await posting;
    }
    await until(() => texts.length >= 90, `all are received: ${texts}`);
    await until(() => events.length >= 4, "each connection is live");
    source.close();
    assertEquals(texts, Array.from({ length: 90 }, (_, i) => String(i + 1)));
    assert(events.every((type) => type === "room"), events.join());
  });
});

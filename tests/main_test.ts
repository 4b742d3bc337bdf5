import { assertEquals, assertMatch } from "@std/assert";
import { withBench } from "./faults/bench.ts";

Deno.test("main prints one line with the address, and then only what happens", () =>
  withBench(async ({ start, join, log }) => {
    const server = await start();
    await join(server, "Ada");
    await server.said(/event=hello/);
    const [address, next = ""] = server.lines;
    assertEquals(address, `Parley is at ${server.url}`);
    assertMatch(next, /"GET .ws HTTP/);
    assertMatch(log("websocket.log"), /event=start /);
  }));

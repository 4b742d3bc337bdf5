// Bodies of requests.

import { assert, assertEquals } from "@std/assert";
import { readText } from "../../../app/web/request_body.ts";

Deno.test("readText() gives up on a body that takes too long [H11]", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(new Uint8Array([97])),
    cancel: () => void (isCancelled = true),
  });
  const schedule = (task: () => void) => {
    queueMicrotask(task);
    return () => {};
  };
  const request = new Request("http://localhost/r/tea", { method: "POST", body });
  const problem = await readText(request, schedule);
  assertEquals(typeof problem === "string" ? problem : problem.status, 408);
  assert(isCancelled);
});

Deno.test("readText() joins the parts of a body and cancels its timeout", async () => {
  const bytes = new TextEncoder().encode("naïve ✓");
  const body = ReadableStream.from([bytes.slice(0, 3), bytes.slice(3)]);
  const request = new Request("http://localhost/r/tea", { method: "POST", body });
  let isCancelled = false;
  assertEquals(await readText(request, () => () => void (isCancelled = true)), "naïve ✓");
  assertEquals(isCancelled, true);
});

Deno.test("readText() reads a body of known length, and gives up on it in time [H11]", async () => {
  const headers = { "content-length": "7" };
  const whole = new Request("http://localhost/r/tea", { method: "POST", headers, body: "naïve" });
  assertEquals(await readText(whole), "naïve");
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    cancel: () => void (isCancelled = true),
  });
  const stalled = new Request("http://localhost/r/tea", { method: "POST", headers, body });
  const problem = await readText(stalled, (task) => (queueMicrotask(task), () => {}));
  assert(typeof problem !== "string");
  assertEquals(problem.status, 408);
  // Otherwise Deno never closes the connection.
  assert(isCancelled);
});

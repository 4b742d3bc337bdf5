import { assertEquals } from "@std/assert";
import { readText } from "../../../app/web/request_body.ts";

Deno.test("readText() gives up on a body that takes too long [H11]", async () => {
  let isCancelled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(new Uint8Array([97])),
    cancel: () => void (isCancelled = true),
  });
  let timeoutMs = 0;
  const schedule = (ms: number, task: () => void) => {
    timeoutMs = ms;
    queueMicrotask(task);
    return () => {};
  };
  const request = new Request("http://localhost/r/tea", { method: "POST", body });
  const problem = await readText(request, schedule);
  assertEquals(typeof problem === "string" ? problem : problem.status, 408);
  assertEquals([isCancelled, timeoutMs], [true, 10_000]);
});

Deno.test("readText() joins the parts of a body and cancels its timeout", async () => {
  const bytes = new TextEncoder().encode("naïve ✓");
  const body = ReadableStream.from([bytes.slice(0, 3), bytes.slice(3)]);
  const request = new Request("http://localhost/r/tea", { method: "POST", body });
  let isCancelled = false;
  assertEquals(await readText(request, () => () => void (isCancelled = true)), "naïve ✓");
  assertEquals(isCancelled, true);
});

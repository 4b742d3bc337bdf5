// Bodies of requests.

import { assert, assertEquals } from "@std/assert";
import { readText } from "../../../app/web/request_body.ts";

/** Returns a body as Deno's server provides it: a byte stream. */
function bodyOf(
  source: Omit<UnderlyingByteSource, "type">,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({ ...source, type: "bytes" });
}

/** Returns a body that ends after its chunks. */
function chunked(chunks: readonly Uint8Array<ArrayBuffer>[]) {
  return bodyOf({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** A timeout that never fires. */
const never = () => () => {};

function post(body: ReadableStream<Uint8Array<ArrayBuffer>>, headers = {}): Request {
  return new Request("http://localhost/r/tea", { method: "POST", headers, body });
}

Deno.test("readText() gives up on a body that takes too long [H11]", async () => {
  let isCancelled = false;
  const body = bodyOf({
    start: (controller) => controller.enqueue(new Uint8Array([97])),
    cancel: () => void (isCancelled = true),
  });
  const schedule = (_: number, task: () => void) => {
    queueMicrotask(task);
    return () => {};
  };
  const problem = await readText(post(body), schedule);
  assertEquals(typeof problem === "string" ? problem : problem.status, 408);
  assert(isCancelled);
});

Deno.test("readText() joins the parts of a body and cancels its timeout", async () => {
  const bytes = new TextEncoder().encode("naïve ✓");
  const request = post(chunked([bytes.slice(0, 3), bytes.slice(3)]));
  let isCancelled = false;
  assertEquals(await readText(request, () => () => void (isCancelled = true)), "naïve ✓");
  assertEquals(isCancelled, true);
});

Deno.test("readText() accepts bodies of up to 64 KiB [H11]", async () => {
  const bytes = new Uint8Array(65_536).fill(97);
  assertEquals(await readText(post(chunked([bytes.slice()])), never), "a".repeat(bytes.length));
  const cancelled = Promise.withResolvers<void>();
  const body = bodyOf({
    start(controller) {
      controller.enqueue(bytes);
      controller.enqueue(new Uint8Array([97]));
    },
    cancel: cancelled.resolve,
  });
  const problem = await readText(post(body), never);
  assertEquals(typeof problem === "string" ? problem : problem.status, 413);
  await cancelled.promise;
});

Deno.test("readText() starts no timer for a body that arrived with the headers", async () => {
  const request = new Request("http://localhost/r/tea", { method: "POST", body: "naïve" });
  const schedule = () => {
    throw new Error("A timer costs a fifth of a post");
  };
  assertEquals(await readText(request, schedule), "naïve");
});

Deno.test("readText() reads a body of known length, and gives up on it in time [H11]", async () => {
  const bytes = new TextEncoder().encode("naïve");
  const headers = { "content-length": String(bytes.length) };
  assertEquals(await readText(post(chunked([bytes]), headers), never), "naïve");
  let isCancelled = false;
  const body = bodyOf({ cancel: () => void (isCancelled = true) });
  const problem = await readText(
    post(body, headers),
    (_, task) => (queueMicrotask(task), () => {}),
  );
  assert(typeof problem !== "string");
  assertEquals(problem.status, 408);
  // Otherwise Deno never closes the connection.
  assert(isCancelled);
});

/** Returns a body that gives one byte per read. Records the sizes of the buffers. */
function dripping(count: number, sizes: number[], cancel = () => {}) {
  return bodyOf({
    cancel,
    // Deno's server allocates this much for each read without a buffer.
    autoAllocateChunkSize: 65_536,
    pull(controller) {
      const view = controller.byobRequest?.view;
      assert(view instanceof Uint8Array);
      if (sizes.length === count) {
        controller.close();
        controller.byobRequest?.respond(0);
        return;
      }
      sizes.push(view.length);
      view[0] = 97;
      controller.byobRequest?.respond(1);
    },
  });
}

Deno.test("readText() reads all chunks into one buffer, however small they are", async () => {
  const sizes: number[] = [];
  const request = post(dripping(4, sizes), { "content-length": "4" });
  assertEquals(await readText(request, never), "aaaa");
  assertEquals(sizes.map((size) => size - (sizes.at(-1) ?? 0)), [3, 2, 1, 0]);
});

Deno.test("readText() accepts bodies of up to 1,024 chunks [H11]", async () => {
  assertEquals(await readText(post(dripping(1_024, [])), never), "a".repeat(1_024));
  const cancelled = Promise.withResolvers<void>();
  const problem = await readText(post(dripping(1_025, [], cancelled.resolve)), never);
  assertEquals(typeof problem === "string" ? problem : problem.status, 413);
  await cancelled.promise;
});

// The console.

import { assertEquals } from "@std/assert";
import { consoleMirror } from "../../../app/core/console.ts";

Deno.test("consoleMirror() mirrors lines again after its disk was full", async () => {
  const { write } = Deno.stdout;
  const written: string[] = [];
  let isFull = true;
  Deno.stdout.write = (bytes) => {
    if (isFull) return Promise.reject(new Error("No space left on device"));
    written.push(new TextDecoder().decode(bytes));
    return Promise.resolve(bytes.length);
  };
  try {
    const mirror = consoleMirror();
    const line = `${"x".repeat(65_535)}\n`;
    for (let i = 0; i < 20; i++) {
      mirror.write(line);
      await mirror.drained();
    }
    isFull = false;
    mirror.write("event=later\n");
    await mirror.drained();
    assertEquals(written, ["event=later\n"]);
  } finally {
    Deno.stdout.write = write;
  }
});

// Gathering the writes of event streams.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Gathering } from "../../../app/web/gathering.ts";
import { ManualTime } from "../../support/manual_time.ts";

class FakeStream {
  readonly writes: string[] = [];
  readonly bytes: Uint8Array[] = [];

  write(bytes: Uint8Array): void {
    this.bytes.push(bytes);
    this.writes.push(new TextDecoder().decode(bytes));
  }
}

/** Returns a gathering on manual time, and a function that writes text through it. */
function createGathering() {
  const time = new ManualTime();
  const gathering = new Gathering((ms, task) => time.later(ms, task));
  const encoder = new TextEncoder();
  const write = (text: string, ...streams: readonly FakeStream[]) => {
    const bytes = encoder.encode(text);
    for (const stream of streams) gathering.write(stream, bytes);
  };
  return { time, gathering, write, stream: new FakeStream(), other: new FakeStream() };
}

Deno.test("Gathering writes at once at rest, and then at most every 50 ms [H13]", () => {
  const { time, write, stream } = createGathering();
  write("a", stream);
  assertEquals(stream.writes, ["a"]);
  write("b", stream);
  time.advance(49);
  write("c", stream);
  assertEquals(stream.writes, ["a"]);
  time.advance(1);
  assertEquals(stream.writes, ["a", "bc"]);
  write("d", stream);
  time.advance(50);
  assertEquals(stream.writes, ["a", "bc", "d"]);
  time.advance(50);
  assertEquals(time.timers, 0);
  write("e", stream);
  assertEquals(stream.writes, ["a", "bc", "d", "e"]);
});

Deno.test("Gathering doesn't delay a stream at rest while another one waits [H13]", () => {
  const { write, stream, other } = createGathering();
  write("a", stream);
  write("b", stream);
  write("c", other);
  assertEquals([stream.writes, other.writes], [["a"], ["c"]]);
});

Deno.test("Gathering joins the bytes of a room once for all its streams", () => {
  const { time, write, stream, other } = createGathering();
  for (const text of ["a", "b", "c"]) write(text, stream, other);
  time.advance(50);
  assertEquals(stream.writes, ["a", "bc"]);
  assertStrictEquals(stream.bytes[1], other.bytes[1]);
});

Deno.test("Gathering.flush() writes a stream's pending bytes, and leaves no timer [H15]", () => {
  const { time, gathering, write, stream } = createGathering();
  for (const text of ["a", "b", "c"]) write(text, stream);
  assertEquals(gathering.pendingBytes(stream), 2);
  gathering.flush(stream);
  assertEquals([stream.writes, time.timers], [["a", "bc"], 0]);
  assertEquals(gathering.pendingBytes(stream), 0);
  gathering.flush(stream);
  assertEquals(stream.writes, ["a", "bc"]);
});

Deno.test("Gathering.forget() drops a stream's pending bytes, and keeps those of others", () => {
  const { time, gathering, write, stream, other } = createGathering();
  write("a", stream, other);
  write("b", stream, other);
  gathering.forget(stream);
  time.advance(50);
  assertEquals([stream.writes, other.writes], [["a"], ["a", "b"]]);
  gathering.forget(other);
  assertEquals(time.timers, 0);
});

Deno.test("Gathering bounds the pending bytes, and keeps their order", () => {
  const { time, gathering, write, stream } = createGathering();
  const texts = Array.from({ length: 40 }, (_, i) => `${i},`.padStart(1_000, "."));
  for (const text of texts) {
    write(text, stream);
    assert(gathering.pendingBytes(stream) <= 16_384);
  }
  assertEquals(stream.writes.length, 3);
  time.advance(50);
  assertEquals(stream.writes.join(""), texts.join(""));
});

Deno.test("Gathering writes to the other streams when one ends during its write", () => {
  const { time, gathering, write, stream } = createGathering();
  const vanished = new FakeStream();
  write("a", vanished, stream);
  write("b", vanished, stream);
  vanished.write = () => gathering.forget(vanished);
  time.advance(50);
  assertEquals(stream.writes, ["a", "b"]);
});

// Timers that share one timer of the runtime.

import { assertEquals } from "@std/assert";
import { sharedTimer } from "../../../app/core/timers.ts";
import { ManualTime } from "../../support/manual_time.ts";

Deno.test("sharedTimer() runs every task on time, with one timer for all", () => {
  const time = new ManualTime();
  const schedule = sharedTimer(
    10,
    (ms, task) => time.later(ms, task),
    time,
    (task) => time.soon(task),
  );
  const ran: string[] = [];
  schedule(() => ran.push("first"));
  time.settle();
  const cancel = schedule(() => ran.push("cancelled"));
  time.advance(4);
  schedule(() => ran.push("second"));
  assertEquals(time.timers, 1);
  cancel();
  time.advance(5);
  assertEquals(ran, []);
  time.advance(1);
  assertEquals(ran, ["first"]);
  time.advance(3);
  assertEquals([ran.length, time.timers], [1, 1]);
  time.advance(1);
  assertEquals([ran, time.timers], [["first", "second"], 0]);
});

Deno.test("sharedTimer() leaves no timer behind once all tasks are cancelled", () => {
  const time = new ManualTime();
  const schedule = sharedTimer(
    10,
    (ms, task) => time.later(ms, task),
    time,
    (task) => time.soon(task),
  );
  const [one, other] = [schedule(() => {}), schedule(() => {})];
  time.settle();
  one();
  one();
  assertEquals(time.timers, 1);
  other();
  assertEquals(time.timers, 0);
  schedule(() => {});
  time.settle();
  assertEquals(time.timers, 1);
});

Deno.test("sharedTimer() starts no timer for tasks that are cancelled in the same turn", () => {
  const time = new ManualTime();
  const schedule = sharedTimer(
    10,
    (ms, task) => time.later(ms, task),
    time,
    (task) => time.soon(task),
  );
  const cancels = [schedule(() => {}), schedule(() => {})];
  for (const cancel of cancels) cancel();
  time.settle();
  assertEquals(time.timers, 0);
  const ran: string[] = [];
  schedule(() => ran.push("late"));
  time.advance(10);
  assertEquals(ran, ["late"]);
});

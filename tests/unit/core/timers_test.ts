import { assertEquals } from "@std/assert";
import { sharedTimer } from "../../../app/core/timers.ts";
import { ManualTime } from "../../support/manual_time.ts";

Deno.test("sharedTimer() runs every task on time, with one timer for all", () => {
  const time = new ManualTime();
  const schedule = sharedTimer(10, (ms, task) => time.later(ms, task), time);
  const ran: string[] = [];
  schedule(() => ran.push("first"));
  const cancel = schedule(() => ran.push("cancelled"));
  time.pass(4);
  schedule(() => ran.push("second"));
  assertEquals(time.timers, 1);
  cancel();
  time.pass(5);
  assertEquals(ran, []);
  time.pass(1);
  assertEquals(ran, ["first"]);
  time.pass(3);
  assertEquals([ran.length, time.timers], [1, 1]);
  time.pass(1);
  assertEquals([ran, time.timers], [["first", "second"], 0]);
});

Deno.test("sharedTimer() leaves no timer behind once all tasks are cancelled", () => {
  const time = new ManualTime();
  const schedule = sharedTimer(10, (ms, task) => time.later(ms, task), time);
  const [one, other] = [schedule(() => {}), schedule(() => {})];
  one();
  one();
  assertEquals(time.timers, 1);
  other();
  assertEquals(time.timers, 0);
  schedule(() => {});
  assertEquals(time.timers, 1);
});

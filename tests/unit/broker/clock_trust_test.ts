// Whether the clock can be trusted to prune by age.

import { assertEquals } from "@std/assert";
import { ClockTrust, startPruning } from "../../../app/broker/pruning.ts";

const hourMs = 3_600_000;
const yearMs = 365 * 24 * hourMs;

function createClock() {
  const clock = { wall: Date.UTC(2026, 0, 1), monotonic: 0 };
  const trust = new ClockTrust(() => clock.wall, () => clock.monotonic);
  const pass = (ms: number) => {
    clock.wall += ms;
    clock.monotonic += ms;
  };
  return { clock, trust, pass };
}

Deno.test("ClockTrust.check() distrusts a clock that jumps, and trusts it again when it returns", () => {
  const { clock, trust, pass } = createClock();
  pass(yearMs);
  assertEquals(trust.check(), true);
  clock.wall += 10 * yearMs;
  assertEquals(trust.check(), false);
  pass(64_000);
  assertEquals(trust.check(), false);
  clock.wall -= 10 * yearMs;
  assertEquals(trust.check(), true);
});

Deno.test("ClockTrust.check() follows drift, and accepts a new time after 24 hours", () => {
  const { clock, trust, pass } = createClock();
  for (let i = 0; i < 10; i++) {
    clock.wall += hourMs / 2;
    assertEquals(trust.check(), true);
  }
  clock.wall += 5 * hourMs;
  assertEquals(trust.check(), false);
  pass(23 * hourMs);
  assertEquals(trust.check(), false);
  pass(hourMs);
  assertEquals(trust.check(), true);
});

Deno.test("ClockTrust.check() counts the 24 hours from the last jump", () => {
  const { clock, trust, pass } = createClock();
  clock.wall += 10 * hourMs;
  assertEquals(trust.check(), false);
  pass(23 * hourMs);
  clock.wall += 10 * hourMs;
  assertEquals(trust.check(), false);
  pass(23 * hourMs);
  assertEquals(trust.check(), false);
  pass(hourMs);
  assertEquals(trust.check(), true);
});

Deno.test("ClockTrust.check() forgets a jump once the clock is right again", () => {
  const { clock, trust, pass } = createClock();
  for (const jump of [1, -1, 1]) {
    clock.wall += jump * yearMs;
    assertEquals(trust.check(), jump < 0);
    pass(25 * hourMs);
  }
});

Deno.test("startPruning() prunes nothing while the clock is not trusted, and says so once", async () => {
  let isTrusted = true;
  const tasks: (() => void)[] = [];
  const events: string[] = [];
  let pruned = 0;
  startPruning({
    broker: {
      prune() {
        pruned++;
        return false;
      },
    },
    clock: { check: () => isTrusted },
    report: (event) => events.push(event),
    later(_, task) {
      tasks.push(task);
      return () => {};
    },
  });
  const run = async () => {
    tasks.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
  };
  await run();
  isTrusted = false;
  await run();
  await run();
  assertEquals([pruned, events], [1, ["pruning_paused"]]);
  isTrusted = true;
  await run();
  assertEquals([pruned, events], [2, ["pruning_paused", "pruning_resumed"]]);
});

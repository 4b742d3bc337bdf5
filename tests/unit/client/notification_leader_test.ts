// The election of the tab that notifies.

import { assertEquals } from "@std/assert";
import { NotificationLeader } from "../../../static/client/state/notification_leader.ts";
import { ManualTime } from "../../support/manual_time.ts";

/** Returns one tab for each random number; they hear each other at once. */
function openTabs(time: ManualTime, randoms: readonly number[], focused = -1) {
  const tabs: NotificationLeader[] = [];
  randoms.forEach((random, i) => {
    tabs.push(
      new NotificationLeader({
        announce: (id) => tabs.forEach((other, j) => j === i || other.onAnnounced(id)),
        query: (id) => tabs.forEach((other, j) => j === i || other.onQuery(id)),
        claim: (_, task) => task(),
        hasFocus: () => i === focused,
        later: (ms, task) => void time.later(ms, task),
        random: () => random,
      }),
    );
  });
  return tabs;
}

Deno.test("NotificationLeader lets one tab notify", () => {
  const time = new ManualTime();
  const notified: number[] = [];
  openTabs(time, [0.5, 0.1, 0.9]).forEach((tab, i) => tab.onMessage("m1", () => notified.push(i)));
  time.advance(1_000);
  assertEquals(notified, [1]);
});

Deno.test("NotificationLeader lets no tab notify while one has the focus", () => {
  const time = new ManualTime();
  const notified: number[] = [];
  openTabs(time, [0.5, 0.1, 0.9], 2).forEach((tab, i) =>
    tab.onMessage("m1", () => notified.push(i))
  );
  time.advance(1_000);
  assertEquals(notified, []);
});

Deno.test("NotificationLeader notifies about a message once, even if a tab receives it late", () => {
  const time = new ManualTime();
  const notified: string[] = [];
  const [first, second] = openTabs(time, [0.1, 0.5]);
  for (const id of ["m1", "m2"]) {
    first?.onMessage(id, () => notified.push(id));
    time.advance(1_000);
    second?.onMessage(id, () => notified.push(id));
    time.advance(1_000);
  }
  assertEquals(notified, ["m1", "m2"]);
});

Deno.test("NotificationLeader.onMessage() queries tabs that announced before it listened", () => {
  const time = new ManualTime();
  const notified: number[] = [];
  const tabs: NotificationLeader[] = [];
  for (const number of [1, 2]) {
    const others = () => tabs.filter((other) => other !== tab);
    const tab = new NotificationLeader({
      announce: (id) => others().forEach((other) => other.onAnnounced(id)),
      query: (id) => others().forEach((other) => other.onQuery(id)),
      claim: (_, task) => task(),
      hasFocus: () => false,
      later: (ms, task) => void time.later(ms, task),
      random: () => 0,
    });
    tabs.push(tab);
    tab.onMessage("m1", () => notified.push(number));
    time.advance(1_000);
  }
  assertEquals(notified, [1]);
});

Deno.test("NotificationLeader lets one tab notify even if its announcement arrives too late", () => {
  const time = new ManualTime();
  const notified: number[] = [];
  const claimed = new Set<string>();
  for (const number of [1, 2]) {
    const tab = new NotificationLeader({
      announce: () => {},
      query: () => {},
      claim(id, task) {
        if (claimed.has(id)) return;
        claimed.add(id);
        task();
      },
      hasFocus: () => false,
      later: (ms, task) => void time.later(ms, task),
      random: () => 0,
    });
    tab.onMessage("m1", () => notified.push(number));
  }
  time.advance(1_000);
  assertEquals(notified, [1]);
});

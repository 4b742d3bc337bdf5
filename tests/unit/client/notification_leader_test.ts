import { assertEquals } from "@std/assert";
import { loadSettings, saveSettings } from "../../../static/client/state/settings.ts";
import { NotificationLeader } from "../../../static/client/state/notification_leader.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";
import { ManualTime } from "../../support/hub_harness.ts";

/** The tabs of one browser, which hear each other at once. */
function tabs(time: ManualTime, chances: readonly number[], looking = -1) {
  const all: NotificationLeader[] = [];
  chances.forEach((chance, i) => {
    all.push(
      new NotificationLeader({
        post: (id) => all.forEach((other, j) => j === i || other.heard(id)),
        ask: (id) => all.forEach((other, j) => j === i || other.asked(id)),
        hasFocus: () => i === looking,
        later: (ms, task) => void time.later(ms, task),
        random: () => chance,
      }),
    );
  });
  return all;
}

Deno.test("Speaker lets one tab speak for all", () => {
  const time = new ManualTime();
  const said: number[] = [];
  tabs(time, [0.5, 0.1, 0.9]).forEach((tab, i) => tab.arrived("m1", () => said.push(i)));
  time.pass(1_000);
  assertEquals(said, [1]);
});

Deno.test("Speaker keeps all tabs quiet while one is looked at", () => {
  const time = new ManualTime();
  const said: number[] = [];
  tabs(time, [0.5, 0.1, 0.9], 2).forEach((tab, i) => tab.arrived("m1", () => said.push(i)));
  time.pass(1_000);
  assertEquals(said, []);
});

Deno.test("Speaker speaks of each message once, also when a tab gets it late", () => {
  const time = new ManualTime();
  const said: string[] = [];
  const [one, two] = tabs(time, [0.1, 0.5]);
  for (const id of ["m1", "m2"]) {
    one?.arrived(id, () => said.push(id));
    time.pass(1_000);
    two?.arrived(id, () => said.push(id));
    time.pass(1_000);
  }
  assertEquals(said, ["m1", "m2"]);
});

Deno.test("Speaker asks the tabs that listened before it did", () => {
  const time = new ManualTime();
  const said: number[] = [];
  const listening: NotificationLeader[] = [];
  for (const number of [1, 2]) {
    // The first has spoken before there is a second to hear of it.
    const others = () => listening.filter((other) => other !== tab);
    const tab = new NotificationLeader({
      post: (id) => others().forEach((other) => other.heard(id)),
      ask: (id) => others().forEach((other) => other.asked(id)),
      hasFocus: () => false,
      later: (ms, task) => void time.later(ms, task),
      random: () => 0,
    });
    listening.push(tab);
    tab.arrived("m1", () => said.push(number));
    time.pass(1_000);
  }
  assertEquals(said, [1]);
});

Deno.test("recallSettings() reads what rememberSettings() kept, and makes sense of anything", () => {
  const storage = memoryStorage();
  const plain = { theme: "system", density: "roomy", sound: false, notify: new Map() } as const;
  for (const value of ["", "{", "7", "null", '{"theme":"red","notify":7,"sound":"yes"}']) {
    storage.setItem("parley.settings", value);
    assertEquals(loadSettings(storage), plain);
  }
  const chosen = {
    theme: "dark",
    density: "dense",
    sound: true,
    notify: new Map([["constructor", "never"], ["lobby", "always"]] as const),
  } as const;
  saveSettings(storage, { ...chosen, notify: new Map([...chosen.notify, ["x", "mention"]]) });
  assertEquals(loadSettings(storage), chosen);
});

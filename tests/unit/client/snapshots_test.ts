// Snapshots of rooms in the storage.

import { assertEquals } from "@std/assert";
import { restoreSnapshot } from "../../../static/client/state/snapshots.ts";
import { saveSnapshots } from "../../../static/client/state/snapshot_writer.ts";
import { Room } from "../../../static/client/state/room.ts";
import { memoryStorage } from "../../../static/client/state/storage.ts";
import { message, room as push } from "../../support/page_harness.ts";

const key = "parley.last.lobby";

function lobby(messages: number): Room {
  const room = new Room("lobby");
  room.applyPage(push(messages, {}, 1));
  return room;
}

function restored(storage = memoryStorage()): Room {
  const room = new Room("lobby");
  restoreSnapshot(storage, room);
  return room;
}

Deno.test("restoreSnapshot() resumes where saveSnapshots() left off [R2]", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(80)]);
  const room = restored(storage);
  const { oldest, head, messages, position } = room.log;
  assertEquals([oldest, head, messages.length], [31, 80, 50]);
  // Without a stored read offset, all of them count as read.
  assertEquals([room.unread.count, room.unread.readOffset], [0, 80]);
  assertEquals(position, lobby(80).log.position);
  assertEquals(room.append(message(81)), "applied");
});

Deno.test("restoreSnapshot() does not change a room that has messages", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  const room = lobby(5);
  restoreSnapshot(storage, room);
  assertEquals(room.log.head, 5);
});

Deno.test("saveSnapshots() stores the newest messages up to its limit", () => {
  const storage = memoryStorage();
  const room = new Room("lobby");
  const texts = Array.from(
    { length: 9 },
    (_, i) => ({ ...message(i + 1), text: "x".repeat(4000) }),
  );
  room.applyPage({ ...push(0, {}, 1), messages: texts, offset: 9 });
  saveSnapshots(storage, [room]);
  assertEquals(restored(storage).log.messages.map(({ offset }) => offset), [5, 6, 7, 8, 9]);
});

Deno.test("saveSnapshots() removes the snapshots of other rooms", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  saveSnapshots(storage, []);
  assertEquals([storage.getItem(key), restored(storage).log.position], [null, undefined]);
});

Deno.test("restoreSnapshot() ignores an invalid snapshot", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  const good = JSON.parse(storage.getItem(key) ?? "");
  for (
    const bad of [
      "{",
      null,
      { ...good, position: { epoch: "e" } },
      { ...good, messages: [] },
      { ...good, messages: good.messages.toReversed() },
      { ...good, oldest: 2 },
      { ...good, position: { ...good.position, offset: 2 } },
      { ...good, messages: [...good.messages.slice(0, 2), { offset: 3 }] },
      { ...good, first: "1" },
      { ...good, position: { ...good.position, offset: "3" } },
    ]
  ) {
    storage.setItem(key, typeof bad === "string" ? bad : JSON.stringify(bad));
    assertEquals(restored(storage).log.position, undefined);
  }
});

Deno.test("saveSnapshots() and restoreSnapshot() survive a full storage", () => {
  const storage = {
    ...memoryStorage(),
    setItem() {
      throw new DOMException("full", "QuotaExceededError");
    },
  };
  saveSnapshots(storage, [lobby(3)]);
  assertEquals(restored(storage).log.position, undefined);
});

Deno.test("saveSnapshots() keeps the newer snapshot of a tab that stayed connected [E7]", () => {
  const storage = memoryStorage();
  const [connected, lost] = [lobby(3), lobby(3)];
  lost.disconnect();
  const deletion = { type: "delete", room: "lobby", offset: 4, targets: [2] } as const;
  connected.append({ ...deletion, member: "ben", from: "Ben", at: 2_000, nonce: "d" });
  saveSnapshots(storage, [connected]);
  saveSnapshots(storage, [lost]);
  assertEquals(restored(storage).log.messages.map(({ text }) => text), ["m1", undefined, "m3"]);
  // Messages that only this tab has received are stored.
  const later = lobby(5);
  later.disconnect();
  saveSnapshots(storage, [later]);
  assertEquals(restored(storage).log.head, 5);
});

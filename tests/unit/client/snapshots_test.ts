import { assertEquals } from "@std/assert";
import { restoreSnapshot, saveSnapshots } from "../../../static/client/state/snapshots.ts";
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

Deno.test("restoreRoom() goes on where keepRooms() ended [R2]", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(80)]);
  const room = restored(storage);
  assertEquals([room.oldest, room.head, room.messages.length, room.unread], [31, 80, 50, 0]);
  assertEquals(room.position, lobby(80).position);
  assertEquals(room.append(message(81)), "taken");
});

Deno.test("restoreRoom() leaves a room alone that has something", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  const room = lobby(5);
  restoreSnapshot(storage, room);
  assertEquals(room.head, 5);
});

Deno.test("keepRooms() keeps no more than fits, newest first", () => {
  const storage = memoryStorage();
  const room = new Room("lobby");
  const texts = Array.from(
    { length: 9 },
    (_, i) => ({ ...message(i + 1), text: "x".repeat(4000) }),
  );
  room.applyPage({ ...push(0, {}, 1), messages: texts, offset: 9 });
  saveSnapshots(storage, [room]);
  assertEquals(restored(storage).messages.map(({ offset }) => offset), [5, 6, 7, 8, 9]);
});

Deno.test("keepRooms() forgets rooms that were left", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  saveSnapshots(storage, []);
  assertEquals([storage.getItem(key), restored(storage).position], [null, undefined]);
});

Deno.test("restoreRoom() takes nothing that is broken", () => {
  const storage = memoryStorage();
  saveSnapshots(storage, [lobby(3)]);
  const good = JSON.parse(storage.getItem(key) ?? "");
  for (
    const bad of [
      "{",
      null,
      { ...good, position: { epoch: "e" } },
      { ...good, messages: [] },
      { ...good, messages: good.messages.toSpliced(1, 1) },
      { ...good, messages: good.messages.slice(0, 2) },
      { ...good, messages: [...good.messages.slice(0, 2), { offset: 3 }] },
      { ...good, first: "1" },
    ]
  ) {
    storage.setItem(key, typeof bad === "string" ? bad : JSON.stringify(bad));
    assertEquals(restored(storage).position, undefined);
  }
});

Deno.test("keepRooms() and restoreRoom() bear a storage that is full or forbidden", () => {
  const storage = {
    ...memoryStorage(),
    setItem() {
      throw new DOMException("full", "QuotaExceededError");
    },
  };
  saveSnapshots(storage, [lobby(3)]);
  assertEquals(restored(storage).position, undefined);
});

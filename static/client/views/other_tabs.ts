// Follows the other tabs of this browser: opens and closes the same rooms, and marks the messages
// read that were read there.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import { storageOf } from "../browser.ts";
import type { Page } from "../page.ts";
import { hiddenKey } from "../state/hidden_members.ts";
import { loadOpenRooms, loadReadOffsets, readOffsetsKey } from "../state/open_rooms.ts";
import { keysWithPrefix, removeKey } from "../state/storage.ts";
import { storedRoomsKey } from "../state/stored_rooms.ts";

const profileKey = "parley.profile";
/** The keys that tabs share. Exporting the first two would make the first script larger. */
const sharedKeys = [profileKey, "parley.settings", hiddenKey, readOffsetsKey, storedRoomsKey];

/** Follows the other tabs. `refreshKeys` loads the stored keys of private rooms. */
export function followOtherTabs(page: Page, refreshKeys: () => Promise<void>): void {
  const { chat } = page;
  const storage = storageOf("localStorage");
  let known = loadOpenRooms(storage);
  const follow = async (key: string | null) => {
    const names = loadOpenRooms(storage);
    if (names.join() === known.join() && key !== storedRoomsKey) return;
    const closed = known.filter((name) => !names.includes(name));
    known = names;
    if (names.some(isPrivateRoom)) await refreshKeys();
    for (const name of names) chat.openRoom(name);
    for (const name of closed) if (name !== page.room?.name) chat.leaveRoom(name);
    page.redraw();
  };
  addEventListener("storage", ({ key }) => {
    // Another tab has forgotten this device. This page reloads, but would keep its own storage.
    if (key === profileKey && storage.getItem(profileKey) === null) {
      const own = storageOf("sessionStorage");
      for (const stored of keysWithPrefix(own, "parley.")) removeKey(own, stored);
    }
    if (key === readOffsetsKey) {
      loadReadOffsets(storage).forEach((offset, name) => chat.markReadUpTo(name, offset));
    }
    void follow(key).catch(() => {});
  });
  // A page in the back/forward cache gets no events.
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    for (const key of sharedKeys) dispatchEvent(new StorageEvent("storage", { key }));
  });
}

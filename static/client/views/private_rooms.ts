// Private rooms in the page: buttons that create a room and show the link of the current one. Loads
// the rest on demand.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import { randomId, storageOf } from "../browser.ts";
import { load } from "../load.ts";
import type { Page } from "../page.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { Problem } from "../state/problem.ts";
import type { Room } from "../state/room.ts";
import { loadStoredRooms } from "../state/stored_rooms.ts";
import { panels, words } from "../words/language.ts";
import { button, byId } from "./dom.ts";

/** Why a private room can't be opened. */
export const linkIncomplete: Problem = { code: "link_incomplete", message: "" };

/** Returns whether a room can't be opened because its key is missing. */
export function isIncomplete({ privateRooms }: ChatClient, room: string): boolean {
  return isPrivateRoom(room) && !privateRooms?.hasKey(room);
}

/** Mounts both buttons. Plain http has no WebCrypto, and so no private rooms. */
export function mountPrivateRooms(
  page: Page,
  open: (title: string, ...content: readonly Node[]) => void,
) {
  const { chat, showFailure } = page;
  const loadPrivateRooms = async () => {
    const { loadRooms, roomSection } = await load(() => import("../private.ts"));
    const rooms = await loadRooms(chat, storageOf("localStorage"), page.profile);
    return { rooms, roomSection };
  };
  const openRoom = async (name: string) => {
    const { rooms, roomSection } = await loadPrivateRooms();
    open(panels.roomLink, ...roomSection(rooms, name, page.redraw));
  };
  const create = async () => {
    const { rooms } = await loadPrivateRooms();
    const name = await rooms.add(randomId(32));
    if (name === undefined) return;
    page.openRoom(name);
    if (page.room?.name === name) await openRoom(name);
  };
  const fail = () => showFailure(() => words.loadFailed);
  const openCurrent = () => void openRoom(page.room?.name ?? "").catch(fail);
  const link = button(panels.roomLink, openCurrent, { class: "link" });
  byId<"button">("people-toggle").before(link);
  if (globalThis.crypto.subtle !== undefined) {
    byId<"button">("all-rooms").after(
      button(panels.newPrivateRoom, () => void create().catch(fail), { class: "act" }),
    );
  }
  // Makes the rooms stored in this browser available.
  if (loadStoredRooms(storageOf("localStorage")).size > 0) void loadPrivateRooms().catch(() => {});

  return {
    /** Takes over the keys and labels that another tab has stored. */
    async refresh(): Promise<void> {
      await (await loadPrivateRooms()).rooms.refresh();
    },
    /** Opens the label and the link of the current room. */
    openRoom: openCurrent,
    /** Draws the parts that depend on the current room. */
    update({ name }: Room): void {
      link.hidden = isIncomplete(chat, name) || !isPrivateRoom(name);
    },
  };
}

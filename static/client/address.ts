// The page's address: the room in its path, and in its fragment a device link or a room's key.

import { isPrivateRoom, isRoomName } from "../../app/protocol/text.ts";
import { basePath } from "./browser.ts";

/** The room of the address without a path. */
export const defaultRoom = "lobby";

/** Returns the room in a path, and the offset of the message in it, if there is one. */
export function parsePath(path: string) {
  const [, room = defaultRoom, offset] = /\/r\/([^/]+?)(?:\/(\d+))?$/.exec(path) ?? [];
  return { room, offset: offset === undefined ? undefined : Number(offset) };
}

export function roomInAddress(): string {
  const { room } = parsePath(location.pathname);
  return isRoomName(room) ? room : defaultRoom;
}

/** Returns the path of a room, or of a message in it. */
export function addressOf(room: string, offset?: number): string {
  if (offset !== undefined) return `${basePath}/r/${room}/${offset}`;
  return room === defaultRoom ? `${basePath}/` : `${basePath}/r/${room}`;
}

/**
 * Returns the fragment, and removes a secret from the address, so that nobody sees or shares it.
 */
export function takeFragment(): string {
  const fragment = location.hash.slice(1);
  const isSecret = fragment.includes("token=") || isPrivateRoom(roomInAddress());
  if (isSecret) history.replaceState(null, "", location.pathname);
  return fragment;
}

/** The fragment of the loaded page, taken before anything is awaited. */
export const initialFragment = takeFragment();

// The keys of private rooms, and the dialog with a room's link. The page loads this module with the
// first private room.

import { addressOf, roomInAddress } from "./address.ts";
import "./first_script.ts";
import type { ChatClient } from "./state/chat_client.ts";
import { PrivateRooms } from "./state/private_rooms.ts";
import type { Profile } from "./state/profile.ts";
import type { KeyValue } from "./state/storage.ts";
import { copyButton } from "./views/copying.ts";
import { button, element } from "./views/dom.ts";
import { copyField } from "./views/forms.ts";
import { panels, panelWords } from "./words/language.ts";

const labelMaxLength = 60;
/** Length of a key. Anything after it in a link was copied by accident. */
const keyLength = 43;

/** Loads the private rooms of this browser once, and adds the room whose key is `secret`. */
export async function loadRooms(
  chat: ChatClient,
  storage: KeyValue,
  { token }: Profile,
  secret?: string,
): Promise<PrivateRooms> {
  const { privateRoom, incompleteRoom } = await panelWords();
  const rooms = chat.privateRooms instanceof PrivateRooms
    ? chat.privateRooms
    : await PrivateRooms.load(chat, storage, token, privateRoom, incompleteRoom);
  if (secret !== undefined) await rooms.add(secret.slice(0, keyLength), roomInAddress());
  return rooms;
}

/** Returns the content of the dialog about a room: its label in this browser, and its link. */
export function roomSection(rooms: PrivateRooms, room: string, redraw: () => void): HTMLElement[] {
  const { secret, label } = rooms.stored.get(room) ?? { secret: "", label: "" };
  const name = element("input", { id: "room-label", value: label, maxlength: labelMaxLength });
  name.addEventListener("change", () => {
    rooms.rename(room, name.value.trim() || label);
    redraw();
  });
  const url = `${location.origin}${addressOf(room)}#${secret}`;
  const share = () => void navigator.share({ url }).catch(() => {});
  return [
    element(
      "section",
      {},
      element("label", { for: name.id }, panels.roomLabel),
      element("div", { class: "line" }, name),
    ),
    element(
      "section",
      {},
      element("p", { class: "hint" }, panels.roomLinkHint),
      element(
        "div",
        { class: "line" },
        copyField(panels.roomLink, url),
        copyButton(() => url, "second"),
        "share" in navigator && button(panels.share, share, { class: "second" }),
      ),
    ),
  ];
}

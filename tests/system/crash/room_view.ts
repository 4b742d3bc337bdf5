// A room as a client of the crash test knows it, by the rules of SPEC.md.

import { usernameKey } from "../../../app/protocol/names.ts";
import type { EntryPush, Position } from "../../../app/protocol/wire.ts";
import type { PresentMessage } from "./present_room.ts";
import type { SentEntry } from "./recorded_entry.ts";

export interface RoomView {
  readonly name: string;
  phase: "out" | "joining" | "live" | "leaving";
  /** Position of its last entry. */
  position: Position | undefined;
  /** Position in its last join. */
  requested: Position | undefined;
  /** Offset of the oldest entry in the range that ends at `position`. */
  oldest: number;
  /** Its messages, by offset. */
  readonly messages: Map<number, PresentMessage>;
  title: string | undefined;
  /** `before` of the pending history request. */
  pendingHistory: number | undefined;
  readonly outbox: SentEntry[];
  hasInFlight: boolean;
  sentCount: number;
  /** Usernames by member. */
  readonly usernames: Map<string, string>;
  /** Members by the key of their username. */
  readonly members: Map<string, string>;
}

/** Returns a room that the client is not in. */
export function emptyRoomView(name: string): RoomView {
  return {
    name,
    phase: "out",
    position: undefined,
    requested: undefined,
    oldest: 1,
    messages: new Map(),
    title: undefined,
    pendingHistory: undefined,
    outbox: [],
    hasInFlight: false,
    sentCount: 0,
    usernames: new Map(),
    members: new Map(),
  };
}

/** Sets a member's username. Returns false if another member of the room has the same one. */
export function setMember(view: RoomView, member: string, username: string): boolean {
  const key = usernameKey(username);
  removeMember(view, member);
  const isFree = !view.members.has(key);
  view.usernames.set(member, username);
  view.members.set(key, member);
  return isFree;
}

export function removeMember({ usernames, members }: RoomView, member: string): void {
  const username = usernames.get(member);
  if (username !== undefined) members.delete(usernameKey(username));
  usernames.delete(member);
}

/** Applies an entry to a room, by rules E4 to E7. */
export function applyToRoom(view: RoomView, push: EntryPush): void {
  applyEntry(view.messages, push);
  if (push.type === "title") view.title = push.text;
  if (push.type === "delete" && push.untitled) view.title = undefined;
}

/** Applies an entry to the messages of its room, by rules E6 and E7. */
export function applyEntry(messages: Map<number, PresentMessage>, push: EntryPush): void {
  if (push.type === "message") {
    const { offset, member, text, amended = 0 } = push;
    const known = messages.get(offset);
    if (known === undefined || known.amended < amended) {
      messages.set(offset, { member, text, amended });
    }
  } else if (push.type !== "title") {
    for (const target of push.type === "edit" ? [push.target] : push.targets) {
      const message = messages.get(target);
      const text = push.type === "edit" ? push.text : undefined;
      // An edit without text is followed by a later one, or by the deletion.
      const isReplaced = push.type === "edit" && text === undefined;
      if (message === undefined || message.amended >= push.offset || isReplaced) continue;
      message.text = text;
      message.amended = push.offset;
    }
  }
}

// Messages as the page keeps them.

import type { EntryPush, MessagePush } from "../../../app/protocol/wire.ts";
import type { Unchecked } from "./storage.ts";

/** A message as it is now. Without `text` it is deleted. */
export interface Message extends Omit<MessagePush, "type" | "room" | "epoch" | "text"> {
  readonly text?: string | undefined;
}

/** Whether a value is a time in ms that a `Date` can represent. */
export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 8.64e15;
}

/** Whether a value is a valid message. */
export function isMessage(value: unknown): value is Message {
  const fields: Unchecked<Message> = Object(value);
  const { offset, member, from, text = "", at, nonce, editedAt = 0, reply = 0 } = fields;
  return typeof offset === "number" && typeof reply === "number" &&
    [at, editedAt].every(isTimestamp) &&
    [member, from, text, nonce].every((field) => typeof field === "string");
}

/** Returns the messages among entries. */
export function messagesOf(entries: readonly EntryPush[]): Message[] {
  return entries.filter((entry) => entry.type === "message").map(messageOf);
}

/** Returns the message of a push. Throws if the push is not valid. */
export function messageOf(
  { type: _, room: _room, epoch: _epoch, ...message }: MessagePush,
): Message {
  if (!isMessage(message)) throw new TypeError("Invalid message push");
  return message;
}

// Messages as the page keeps them.

import type { EntryPush, MessagePush, Position } from "../../../app/protocol/wire.ts";
import type { Unchecked } from "./storage.ts";

/** A message in its current state. Without `text` it is deleted, or can't be verified. */
export interface Message extends Omit<MessagePush, "type" | "room" | "epoch" | "text"> {
  readonly text?: string | undefined;
  /** The text as the server has it, in a private room. */
  readonly sealed?: string | undefined;
  /** Nonce of the message that it replies to, or empty. Only in a private room. */
  readonly answered?: string;
  /** Whether its text differs from the one that the author sealed; then `text` is absent. */
  readonly isUnverified?: boolean | undefined;
}

/** Whether a value is a time in ms that a `Date` can represent. */
export function isTimestamp(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= 8.64e15;
}

export function isMessage(value: unknown): value is Message {
  const fields: Unchecked<Message> = Object(value);
  const { offset, member, from, text = "", at, nonce, editedAt = 0, reply = 0 } = fields;
  return typeof offset === "number" && typeof reply === "number" &&
    [at, editedAt].every(isTimestamp) &&
    [member, from, text, nonce].every((field) => typeof field === "string");
}

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

/** The newest messages of a room, saved so that a page can start without its server. */
export interface Snapshot {
  /** Position of the last entry. */
  readonly position: Position;
  readonly first: number;
  /** Offset of the oldest entry. */
  readonly oldest: number;
  /** All messages from `oldest` to the position. */
  readonly messages: readonly Message[];
}

export function isSnapshot(value: unknown): value is Snapshot {
  const { position, first, oldest, messages }: Unchecked<Snapshot> = Object(value);
  const { epoch, offset }: Unchecked<Position> = Object(position);
  if (!Array.isArray(messages) || typeof epoch !== "string") return false;
  let before = Number(oldest) - 1;
  return messages.length > 0 && [offset, first, oldest].every(Number.isSafeInteger) &&
    Number(first) <= Number(oldest) &&
    messages.every((message) => isMessage(message) && before < (before = message.offset)) &&
    before <= Number(offset);
}

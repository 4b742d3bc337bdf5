// Edits and deletes the person's messages: in place until they are sent, then by new entries. Pure.

import type { ChatClient } from "./chat_client.ts";
import type { OutboxMessage } from "./outbox.ts";
import type { Problem } from "./problem.ts";
import type { Message } from "./message.ts";
import type { Room } from "./room.ts";

/** The message to amend: its offset, or its nonce while it is in the outbox. */
type Target = Pick<OutboxMessage, "target" | "offset">;

/** Replaces the text of a message. Returns a problem if that fails. */
export function editMessage(
  chat: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
  text: string,
): Problem | undefined {
  const unsent = unsentMessage(chat, room, message);
  if (unsent !== undefined && !unsent.isSent) return chat.change(unsent, text);
  const target = targetOf(chat, room, message);
  if (target === undefined) return { code: "not_found", message: "" };
  const pending = unsentEdits(chat, room, target).at(-1);
  if (pending !== undefined) return chat.change(pending, text);
  return chat.send(room.name, text, { type: "edit", ...target });
}

/** Deletes a message, and its edits that have not been sent. */
export function deleteMessage(
  chat: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
): Problem | undefined {
  const unsent = unsentMessage(chat, room, message);
  if (unsent !== undefined && !unsent.isSent) return void chat.discard(unsent);
  const target = targetOf(chat, room, message);
  if (target === undefined) return { code: "not_found", message: "" };
  for (const edit of unsentEdits(chat, room, target)) chat.discard(edit);
  chat.post(room.name, { type: "delete", text: "", ...target });
  return undefined;
}

/** Returns the current item of a message in the outbox, if it is still there. */
function unsentMessage(
  { outbox }: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
): OutboxMessage | undefined {
  return outbox.messagesIn(room.name).find(({ nonce, type }) =>
    type === undefined && nonce === message.nonce
  );
}

function targetOf(
  chat: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
): Target | undefined {
  if (message.offset !== undefined) return { offset: message.offset, target: message.nonce };
  if (unsentMessage(chat, room, message) !== undefined) return { target: message.nonce };
  // The message has reached the log in the meantime.
  const stored = room.log.messages.find(({ member, nonce }) =>
    member === chat.session.member && nonce === message.nonce
  );
  return stored && { offset: stored.offset, target: stored.nonce };
}

function unsentEdits({ outbox }: ChatClient, room: Room, to: Target): readonly OutboxMessage[] {
  return outbox.messagesIn(room.name).filter(({ type, isSent, target, offset }) =>
    type === "edit" && !isSent &&
    (to.offset === undefined ? target === to.target : offset === to.offset)
  );
}

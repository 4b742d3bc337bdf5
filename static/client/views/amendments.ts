// The parts of a message that are not in its log entry: a quote of the message it replies to, and
// its pending entries in the outbox.

import type { ChatClient } from "../state/chat_client.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Problem } from "../state/problem.ts";
import type { Message } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { startOf } from "../state/splitting.ts";
import { panels, problemText } from "../words/language.ts";
import { button, element } from "./dom.ts";
import type { MessageView } from "./message_view.ts";

const quoteMaxLength = 120;
const notSaved: Problem = { code: "not_saved", message: "" };

/** Overrides of a message's fields, and the state shown after its text. */
export interface Amendment {
  /** Changes whenever any other part changes. */
  readonly version: string;
  readonly view: Pick<MessageView, "text" | "quote">;
  /** Draws the state of the pending entry, if there is one. */
  draw(): HTMLElement | undefined;
}

/**
 * Returns the amendment of a message in the log or the outbox. `takeBack` moves an unsent text back
 * to the composer.
 */
export function amendmentOf(
  chat: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
  takeBack: (message: OutboxMessage) => void = () => {},
): Amendment {
  const item = pendingFor(chat, room, message);
  const text = item === undefined ? message.text : item.type === "delete" ? undefined : item.text;
  const { reply } = message;
  const quote = reply === undefined
    ? undefined
    : { text: quoteOf(chat, room, reply, message.answered), room: room.name, offset: reply };
  const state = item && stateOf(chat, room, item);
  const { amended, isUnverified }: Partial<Message> = "state" in message ? {} : message;
  return {
    version: [amended, isUnverified, quote?.text, state, item && text].join(),
    view: { text, quote },
    draw: () => item && drawState(chat, takeBack, item, state ?? ""),
  };
}

/** Returns the last unsent edit or deletion of a message, or the message itself if it is unsent. */
function pendingFor(
  { outbox }: ChatClient,
  room: Room,
  message: Message | OutboxMessage,
): OutboxMessage | undefined {
  const isUnsent = "state" in message;
  const amendment = outbox.messagesIn(room.name).findLast(({ type, target, offset }) =>
    type !== undefined &&
    (isUnsent || offset === undefined ? target === message.nonce : offset === message.offset)
  );
  return amendment ?? (isUnsent ? message : undefined);
}

/** Returns the loaded messages of a room, those of its window first. */
export function loadedMessages({ log: { window, messages } }: Room): readonly Message[] {
  return window === undefined ? messages : [...window.messages, ...messages];
}

/**
 * Returns the author and the start of a message, or its number if it is not loaded. `nonce` is the
 * nonce of that message according to a sealed reply.
 */
export function quoteOf(
  { hidden }: ChatClient,
  room: Room,
  offset: number,
  nonce?: string,
): string {
  const original = loadedMessages(room).find((message) => message.offset === offset);
  if (original === undefined) return panels.messageAt(offset);
  if (hidden.has(original.member)) return panels.hiddenMessage;
  if (nonce && nonce !== original.nonce) return panels.unverified;
  const { from, text = original.isUnverified ? panels.unverified : panels.deleted } = original;
  return `${from}: ${startOf(text.replace(/^\/me /, ""), quoteMaxLength)}`.replace(/\s+/g, " ");
}

/** Returns why an entry is not in the log yet. */
function stateOf(chat: ChatClient, room: Room, message: OutboxMessage): string {
  const { state, problem } = message;
  if (state === "stale") return panels.stale;
  if (state === "failed") return `${panels.notSent} ${problem ? problemText(problem) : ""}`;
  if (room.waitReason?.code === "rate_limited") return panels.queued;
  if (room.waitReason !== undefined) return problemText(room.waitReason);
  if (chat.session.isReady) return panels.sending;
  return chat.outbox.isUnsaved(message) ? problemText(notSaved) : panels.willSend;
}

/** Draws the state of an entry, with buttons to send, edit or discard it unless it is pending. */
function drawState(
  chat: ChatClient,
  takeBack: (message: OutboxMessage) => void,
  message: OutboxMessage,
  text: string,
): HTMLElement {
  if (message.state === "pending") return element("span", { class: "state" }, text);
  const again = message.state === "stale" ? panels.sendNow : panels.retry;
  return element(
    "span",
    { class: "state warning" },
    element("span", {}, text),
    button(again, () => chat.retry(message)),
    message.type !== "delete" && button(panels.edit, () => takeBack(message)),
    button(panels.discard, () => chat.discard(message)),
  );
}

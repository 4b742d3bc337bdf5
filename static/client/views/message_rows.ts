// Decides what the conversation shows and in which order: messages, days, what is new or missing,
// presence, and the outbox.

import type { ChatClient } from "../state/chat_client.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Message } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { panels } from "../words/language.ts";
import type { ConversationAids } from "./conversation_aids.ts";
import type { Row } from "./keyed_list.ts";
import { lineRow, ruleRow } from "./line_rows.ts";
import { drawMessage } from "./message_view.ts";
import { dayNumber, timesVersion } from "./times.ts";

export interface RowActions {
  /** Formats messages, and more; `undefined` until loaded. */
  readonly aids: ConversationAids | undefined;
}

/** Messages of one author within this time form a group. */
const groupMs = 5 * 60_000;
/** The messages of one block of the list. */
const blockLength = 50;

/** The rows of the conversation. */
export class ConversationRows {
  readonly rows: Row[] = [];
  readonly #chat: ChatClient;
  readonly #actions: RowActions;
  #room: Room | undefined;
  #messages: readonly Message[] = [];
  /** What all rows depend on. */
  #version = "";
  /** How many rows and events there are up to the last message. */
  #drawn = { rows: 0, events: 0 };
  #nextEvent = 0;
  /** Offset of the next message. Rows belong to its block. */
  #nextOffset = 0;
  /** The message directly above, if nothing is between. */
  #above: Pick<Message, "member" | "from" | "at"> | undefined;

  constructor(chat: ChatClient, actions: RowActions) {
    this.#chat = chat;
    this.#actions = actions;
  }

  /** Makes the rows those of a room. Returns how many at the start are as before. */
  update(room: Room): number {
    const { newSince, roster, window } = room;
    const { messages, oldest } = window ?? room;
    const { username, member, outbox } = this.#chat;
    const top = this.#actions.aids?.topRows(room) ?? [];
    const unsent = window ? [] : outbox.messagesIn(room.name);
    const { isReady } = this.#chat;
    const version = [
      this.#actions.aids !== undefined,
      username,
      member,
      newSince,
      room.revision,
      ...unsent.map(({ type, nonce, state, text }) => type && nonce + state + text + isReady),
      timesVersion,
      roster.events[0]?.id,
      ...top.flatMap(({ key, version }) => [key, version]),
    ].join();
    const before = this.#messages;
    const last = before.at(-1);
    // Usually messages are appended, and the rows before them stay.
    const isAppended = room === this.#room && version === this.#version && last !== undefined &&
      before[0] === messages[0] && last === messages[before.length - 1];
    if (!isAppended) this.#drawn = { rows: 0, events: 0 };
    const unchanged = this.#drawn.rows;
    this.rows.length = unchanged;
    this.#nextEvent = this.#drawn.events;
    this.#above = isAppended ? last : undefined;
    this.#room = room;
    this.#version = version;
    this.#messages = messages;

    this.#nextOffset = oldest;
    if (!isAppended) top.forEach((row) => this.#add(row));
    for (let i = isAppended ? before.length : 0; i < messages.length; i++) {
      const message = messages[i];
      if (message === undefined) break;
      this.#nextOffset = message.offset;
      this.#addEvents();
      this.#addMessage(room, message, messages[i - 1], oldest);
      this.#drawn = { rows: this.rows.length, events: this.#nextEvent };
    }
    if (window) {
      this.#nextOffset = window.newest + 1;
      this.#add(ruleRow("newer", "rule gap", panels.newerMessages));
      return unchanged;
    }
    this.#nextOffset = room.head + 1;
    this.#addEvents();
    for (const message of unsent) {
      const { type, offset = 0 } = message;
      // Messages that are loaded show their own edits.
      if (type !== undefined && (type !== "edit" || offset >= room.oldest)) continue;
      const isStart = this.#isStart({ member, from: username, at: message.at });
      this.#add(outboxRow(this.#chat, room, message, isStart, this.#actions.aids));
    }
    return unchanged;
  }

  #addMessage(room: Room, message: Message, previous: Message | undefined, oldest: number): void {
    const { offset, member, nonce, at } = message;
    const { newSince = Infinity } = room;
    if (previous === undefined || dayNumber(previous.at) !== dayNumber(at)) {
      this.#addBetween(ruleRow(`day ${offset}`, "rule", this.#actions.aids?.dayName(at) ?? ""));
    }
    // Other entries may be between two messages.
    if (newSince < offset && newSince >= (previous?.offset ?? oldest - 1)) {
      const text = this.#actions.aids?.newSince(previous?.at) ?? "";
      this.#addBetween(ruleRow("new", "rule new", text));
    }
    const isStart = this.#isStart(message);
    const isMention = this.#chat.isMention(room, message);
    const { aids } = this.#actions;
    const amendment = aids?.amendmentOf(room, message);
    this.#add({
      // The row of an own message keeps its key when the message leaves the outbox.
      key: member === this.#chat.member ? `nonce ${nonce}` : `message ${room.name} ${offset}`,
      // After a reset another message can have the same offset.
      version: [
        isStart,
        isMention,
        aids !== undefined,
        timesVersion,
        offset,
        member,
        nonce,
        amendment?.version,
      ].join(),
      create: () => {
        const view = { ...message, ...amendment?.view, isStart, isMention };
        return drawMessage(view, this.#chat.readerOf(room), aids?.formatter, amendment?.draw());
      },
    });
  }

  #add(row: Row): void {
    this.rows.push({ ...row, block: Math.floor(this.#nextOffset / blockLength) });
  }

  /** Whether a message starts a group. */
  #isStart(message: Pick<Message, "member" | "from" | "at">): boolean {
    const above = this.#above;
    this.#above = message;
    return above?.member !== message.member || above.from !== message.from ||
      message.at - above.at > groupMs;
  }

  #addBetween(row: Row): void {
    this.#add(row);
    this.#above = undefined;
  }

  /** Adds a line for the presence events before the next message. */
  #addEvents(): void {
    const events = this.#room?.roster.events ?? [];
    const start = this.#nextEvent;
    while ((events[this.#nextEvent]?.afterOffset ?? Infinity) < this.#nextOffset) this.#nextEvent++;
    const text = this.#actions.aids?.describe(events.slice(start, this.#nextEvent)) ?? "";
    if (text !== "") this.#addBetween(lineRow(`presence ${events[start]?.id}`, "presence", text));
  }
}

function outboxRow(
  chat: ChatClient,
  room: Room,
  message: OutboxMessage,
  isStart: boolean,
  aids: ConversationAids | undefined,
): Row {
  const amendment = aids?.amendmentOf(room, message);
  return {
    key: `nonce ${message.nonce}`,
    version: [isStart, aids !== undefined, timesVersion, amendment?.version].join(),
    create: () => {
      const view = {
        ...message,
        ...amendment?.view,
        offset: undefined,
        from: chat.username,
        isStart,
        isMention: false,
      };
      const extra = amendment?.draw();
      const node = drawMessage(view, chat.readerOf(room), aids?.formatter, extra);
      // A pending message is read aloud once it is in the log or has failed.
      if (message.state === "pending") node.ariaLive = "off";
      return node;
    },
  };
}

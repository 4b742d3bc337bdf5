// Lists the rows of the conversation in order: messages, days, presence, the outbox, and lines
// about new or missing messages.

import type { ChatClient } from "../state/chat_client.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Message } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { panels } from "../words/language.ts";
import type { ConversationAids } from "./conversation_aids.ts";
import { lineRow, ruleRow } from "./keyed_list.ts";
import type { Row } from "./keyed_list.ts";
import { drawMessage } from "./message_view.ts";
import { dayNumber, timesVersion } from "./times.ts";

/** Messages of one author within this time form a group. */
const groupMs = 5 * 60_000;
/** Offsets in each block of the list. */
const blockLength = 50;

export class ConversationRows {
  readonly rows: Row[] = [];
  readonly #chat: ChatClient;
  #aids: ConversationAids | undefined;
  #room: Room | undefined;
  #messages: readonly Message[] = [];
  /** Changes when all rows must be drawn again. */
  #version = "";
  /** How many rows and events there are up to the last message. */
  #drawn = { rows: 0, events: 0 };
  #nextEvent = 0;
  /** Offset of the next message. Rows belong to its block. */
  #nextOffset = 0;
  /** The message directly above the next row, if that row follows a message. */
  #above: Pick<Message, "member" | "from" | "at"> | undefined;

  constructor(chat: ChatClient) {
    this.#chat = chat;
  }

  /** Makes the rows those of a room. Returns how many at the start are unchanged. */
  update(room: Room, aids: ConversationAids | undefined): number {
    const { roster, log, unread } = room;
    const { window } = log;
    const { messages, oldest } = window ?? log;
    const { session, outbox } = this.#chat;
    const { username, member, isReady } = session;
    const top = aids?.topRows(room) ?? [];
    const unsent = window ? [] : outbox.messagesIn(room.name);
    const version = [
      aids !== undefined,
      username,
      member,
      unread.newSince,
      log.revision,
      this.#chat.hidden.size,
      ...unsent.map(({ type, nonce, state, text }) => type && nonce + state + text + isReady),
      timesVersion,
      roster.events[0]?.id,
      ...top.flatMap(({ key, version }) => [key, version]),
    ].join();
    const before = this.#messages;
    const last = before.at(-1);
    // Usually messages are appended, and the earlier rows stay.
    const isAppended = room === this.#room && version === this.#version && last !== undefined &&
      before[0] === messages[0] && last === messages[before.length - 1];
    if (!isAppended) this.#drawn = { rows: 0, events: 0 };
    const unchanged = this.#drawn.rows;
    this.rows.length = unchanged;
    this.#nextEvent = this.#drawn.events;
    this.#above = isAppended ? last : undefined;
    this.#aids = aids;
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
    this.#nextOffset = log.head + 1;
    this.#addEvents();
    for (const message of unsent) {
      const { type, offset = 0 } = message;
      // A loaded message shows its pending edit itself.
      if (type === undefined || type === "edit" && offset < log.oldest) {
        this.#addRow(room, message);
      }
    }
    return unchanged;
  }

  #addMessage(room: Room, message: Message, previous: Message | undefined, oldest: number): void {
    const { offset, at } = message;
    const { newSince = Infinity } = room.unread;
    if (previous === undefined || dayNumber(previous.at) !== dayNumber(at)) {
      this.#addBetween(ruleRow(`day ${offset}`, "rule", this.#aids?.dayName(at) ?? ""));
    }
    // `newSince` may be the offset of an entry between two messages.
    if (newSince < offset && newSince >= (previous?.offset ?? oldest - 1)) {
      const text = this.#aids?.newSince(previous?.at) ?? "";
      this.#addBetween(ruleRow("new", "rule new", text));
    }
    this.#addRow(room, message);
  }

  /** Adds the row of a message in the log or in the outbox. */
  #addRow(room: Room, message: Message | OutboxMessage): void {
    const chat = this.#chat;
    const { session } = chat;
    const aids = this.#aids;
    const { nonce, at } = message;
    const isUnsent = "state" in message;
    const { member, from, offset } = isUnsent
      ? { member: session.member, from: session.username, offset: undefined }
      : message;
    const isStart = this.#isStart({ member, from, at });
    const isMention = !isUnsent && chat.isMention(room, message);
    const isHidden = chat.hidden.has(member);
    const amendment = aids?.amendmentOf(room, message);
    this.#add({
      // The row of the person's message keeps its key when the message leaves the outbox.
      key: member === session.member ? `nonce ${nonce}` : `message ${room.name} ${offset}`,
      // After a reset, another message can have the same offset.
      version: [
        isStart,
        isMention,
        isHidden,
        aids !== undefined,
        timesVersion,
        offset,
        member,
        nonce,
        amendment?.version,
      ].join(),
      create: () => {
        const view = {
          ...message,
          ...amendment?.view,
          message,
          offset,
          from,
          isStart,
          isMention,
        };
        const node = drawMessage(view, chat.readerOf(room), aids?.formatter, amendment?.draw());
        // Screen readers read a message aloud once it is in the log or has failed.
        if (isUnsent && message.state === "pending") node.ariaLive = "off";
        // Not `hidden`: the rows must keep their order on screen.
        node.inert = isHidden;
        return node;
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
    const text = this.#aids?.describe(events.slice(start, this.#nextEvent)) ?? "";
    if (text !== "") this.#addBetween(lineRow(`presence ${events[start]?.id}`, "presence", text));
  }
}

// Decides what the conversation shows and in which order: messages, days, what is new or missing,
// presence, and the outbox.

import type { ChatClient } from "../state/chat_client.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Message, Room } from "../state/room.ts";
import { panels, words } from "../words/language.ts";
import type { ConversationAids } from "./conversation_aids.ts";
import { element, withNames } from "./dom.ts";
import type { Row } from "./keyed_list.ts";
import { drawMessage } from "./message_view.ts";
import { dayNumber, timesVersion } from "./times.ts";

export interface RowActions {
  /** Formats messages, and more; `undefined` until loaded. */
  readonly aids: ConversationAids | undefined;
  /** Fills the place of the messages in a room that has none. */
  showEmptyRoom(place: HTMLElement): void;
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
    const { messages, newSince, roster } = room;
    const { username, member, outbox } = this.#chat;
    const top = topRows(this.#chat, room, this.#actions);
    const unsent = outbox.messagesIn(room.name);
    const version = [
      this.#actions.aids !== undefined,
      username,
      member,
      newSince,
      room.revision,
      ...unsent.map(({ type, nonce, state }) => type && nonce + state),
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
    this.#nextOffset = isAppended ? last.offset + 1 : room.oldest;

    if (!isAppended) top.forEach((row) => this.#add(row));
    this.#addEvents();
    for (let i = isAppended ? before.length : 0; i < messages.length; i++) {
      const message = messages[i];
      if (message === undefined) break;
      this.#addMessage(room, message, messages[i - 1]?.at);
      this.#drawn = { rows: this.rows.length, events: this.#nextEvent };
      this.#addEvents();
    }
    for (const message of unsent) {
      const { type, offset = 0 } = message;
      // Messages that are loaded show their own edits.
      if (type !== undefined && (type !== "edit" || offset >= room.oldest)) continue;
      const isStart = this.#isStart({ member, from: username, at: message.at });
      this.#add(outboxRow(this.#chat, room, message, isStart, this.#actions.aids));
    }
    return unchanged;
  }

  #addMessage(room: Room, message: Message, previousAt: number | undefined): void {
    const { offset, member, nonce, at } = message;
    if (previousAt === undefined || dayNumber(previousAt) !== dayNumber(at)) {
      this.#addBetween(ruleRow(`day ${offset}`, "rule", this.#actions.aids?.dayName(at) ?? ""));
    }
    if (room.newSince === offset - 1) {
      const text = this.#actions.aids?.newSince(previousAt) ?? "";
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
    this.#nextOffset = offset + 1;
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

function topRows(chat: ChatClient, room: Room, actions: RowActions): Row[] {
  const rows: Row[] = [];
  const { name, phase } = room;
  const isEmpty = room.messages.length === 0;
  const line = (key: string, text: string) => rows.push(lineRow(`${key} ${name}`, "top", text));
  if (room.wasReset && actions.aids) rows.push(ruleRow("reset", "rule gap", panels.restored));
  if (room.missingCount > 0 && actions.aids) {
    rows.push(ruleRow("missing", "rule gap", panels.missing(room.missingCount)));
  } else if (phase !== "live" && isEmpty) {
    // A room that was refused has nothing to load.
    if (phase === "catching_up" || !chat.isReady) line("loading", words.loading);
  } else if (room.hasOlder) line("older", room.isLoadingOlder ? words.loadingOlder : " ");
  else if (room.first > 1) line("pruned", words.pruned);
  else if (!isEmpty) line("begin", words.beginning(name));
  else {
    const create = () => {
      const place = element("div", { class: "empty" });
      actions.showEmptyRoom(place);
      return place;
    };
    rows.push({ key: `empty ${name}`, version: "", create });
  }
  return rows;
}

function lineRow(key: string, className: string, text: string): Row {
  const create = () => element("p", { class: className, dir: "auto" }, ...withNames(text));
  return { key, version: text, create };
}

function ruleRow(key: string, className: string, text: string): Row {
  const attributes = { class: className, role: "separator", "aria-label": text };
  return { key, version: text, create: () => element("p", attributes, text) };
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

// Decides what the conversation shows and in which order: messages, days, what is new or missing,
// presence, and the outbox.

import type { ChatClient } from "../state/chat_client.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Problem } from "../state/problem.ts";
import type { Message, Room } from "../state/room.ts";
import { locale, words } from "../words/language.ts";
import { button, element } from "./dom.ts";
import type { Row } from "./keyed_list.ts";
import { clockTime, drawMessage } from "./message_view.ts";
import type { Formatter } from "./message_text.ts";
import { presenceSentences } from "./presence_lines.ts";

/** What rows ask of the page. */
export interface RowActions {
  /** Formats messages; `undefined` until it has loaded. */
  readonly formatter: Formatter | undefined;
  /** Moves an unsent message back to the composer. */
  edit(message: OutboxMessage): void;
  /** Fills the place of the messages in a room that has none. */
  showEmptyRoom(place: HTMLElement): void;
}

/** Messages of one author within this time form a group. */
const groupMs = 5 * 60_000;
const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });

/** Returns the rows of a room. */
export function rowsOf(chat: ChatClient, room: Room, actions: RowActions): Row[] {
  const rows = topRows(room, actions);
  const events = room.roster.events;
  let nextEvent = 0;
  let previousAt: number | undefined;
  /** The message directly above, if nothing stands between. */
  let above: Pick<Message, "member" | "from" | "at"> | undefined;
  const add = (row: Row) => {
    rows.push(row);
    above = undefined;
  };
  const addEvents = (upTo: number) => {
    const start = nextEvent;
    while ((events[nextEvent]?.afterOffset ?? Infinity) <= upTo) nextEvent++;
    const text = presenceSentences(events.slice(start, nextEvent)).join(" · ");
    if (text !== "") add(lineRow(`presence ${events[start]?.id}`, "presence", text));
  };
  addEvents(room.oldest - 1);
  for (const message of room.messages) {
    const { offset, member, from, at } = message;
    if (previousAt === undefined || !isSameDay(previousAt, at)) {
      add(ruleRow(`day ${offset}`, "rule", dayName(at)));
    }
    if (room.newSince === offset - 1) {
      const time = previousAt === undefined ? "" : clockTime(previousAt);
      add(ruleRow("new", "rule new", words.newSince(time)));
    }
    const isStart = above?.member !== member || above.from !== from || at - above.at > groupMs;
    rows.push(messageRow(chat, room, message, isStart, actions));
    above = message;
    previousAt = at;
    addEvents(offset);
  }
  const { member, username } = chat;
  for (const message of chat.outbox.messagesIn(room.name)) {
    const isStart = above?.member !== member || message.at - above.at > groupMs;
    rows.push(outboxRow(chat, room, message, isStart, actions));
    above = { member, from: username, at: message.at };
  }
  return rows;
}

function topRows(room: Room, actions: RowActions): Row[] {
  if (room.phase === "not_joined" && room.messages.length === 0) return [];
  const rows: Row[] = [];
  if (room.wasReset) rows.push(ruleRow("reset", "rule gap", words.restored));
  if (room.missingCount > 0) {
    rows.push(ruleRow("missing", "rule gap", words.missing(room.missingCount)));
  } else if (room.hasOlder) {
    rows.push(lineRow("older", "top", room.isLoadingOlder ? words.loadingOlder : " "));
  } else if (room.first > 1) rows.push(lineRow("pruned", "top", words.pruned));
  else if (room.messages.length > 0) rows.push(lineRow("begin", "top", words.beginning(room.name)));
  else {
    const create = () => {
      const place = element("div", { class: "empty" });
      actions.showEmptyRoom(place);
      return place;
    };
    rows.push({ key: "empty", version: "", create });
  }
  return rows;
}

function lineRow(key: string, className: string, text: string): Row {
  const create = () => element("p", { class: className, dir: "auto" }, text);
  return { key, version: text, create };
}

function ruleRow(key: string, className: string, text: string): Row {
  const attributes = { class: className, role: "separator", "aria-label": text };
  return { key, version: text, create: () => element("p", attributes, text) };
}

function messageRow(
  chat: ChatClient,
  room: Room,
  message: Message,
  isStart: boolean,
  { formatter }: RowActions,
): Row {
  const { offset, member, nonce } = message;
  const isMention = chat.isMention(room, message);
  return {
    // The row of an own message keeps its key when the message leaves the outbox.
    key: member === chat.member ? `nonce ${nonce}` : `message ${offset}`,
    // After a reset another message can have the same offset.
    version: `${isStart} ${isMention} ${formatter !== undefined} ${offset} ${member} ${nonce}`,
    create: () => {
      const view = { ...message, isStart, isMention, isPending: false };
      return drawMessage(view, chat.readerOf(room), formatter);
    },
  };
}

function outboxRow(
  chat: ChatClient,
  room: Room,
  message: OutboxMessage,
  isStart: boolean,
  actions: RowActions,
): Row {
  const { nonce, state } = message;
  const isPending = state === "pending";
  const text = outboxState(chat, room, message);
  return {
    key: `nonce ${nonce}`,
    version: `${isStart} ${state} ${actions.formatter !== undefined} ${text}`,
    create: () => {
      const extra = isPending ? element("span", { class: "state" }, text) : element(
        "span",
        { class: "state trouble" },
        element("span", {}, text),
        button(state === "stale" ? words.sendNow : words.retry, () => chat.retry(message)),
        button(words.edit, () => actions.edit(message)),
        button(words.discard, () => chat.discard(message)),
      );
      const view = { ...message, from: chat.username, isStart, isMention: false, isPending: true };
      const node = drawMessage(view, chat.readerOf(room), actions.formatter, extra);
      // A pending message is read aloud once it is in the log or has failed.
      if (isPending) node.ariaLive = "off";
      return node;
    },
  };
}

const notSaved: Problem = { code: "not_saved", message: "" };

/** Returns why a message is not in the log yet. */
function outboxState(chat: ChatClient, room: Room, message: OutboxMessage): string {
  const { state, problem } = message;
  if (state === "stale") return words.stale;
  if (state === "failed") return `${words.notSent} ${problem ? words.problem(problem) : ""}`;
  if (room.waitReason?.code === "rate_limited") return words.queued;
  if (room.waitReason !== undefined) return words.problem(room.waitReason);
  if (chat.isReady) return words.sending;
  return chat.outbox.isUnsaved(message) ? words.problem(notSaved) : words.willSend;
}

function isSameDay(a: number, b: number): boolean {
  return new Date(a).toDateString() === new Date(b).toDateString();
}

function dayName(at: number): string {
  const isThisYear = new Date(at).getFullYear() === new Date().getFullYear();
  return (isThisYear ? day : new Intl.DateTimeFormat(locale, { dateStyle: "full" })).format(at);
}

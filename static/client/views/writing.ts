// Edits and replies in the composer, and the line above it that announces them.

import { privateBytesLeft } from "../../../app/protocol/sealed.ts";
import { isPrivateRoom } from "../../../app/protocol/text.ts";
import { storageOf } from "../browser.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { editMessage } from "../state/amending.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import type { Problem } from "../state/problem.ts";
import type { Message } from "../state/message.ts";
import type { Room } from "../state/room.ts";
import { readJson, removeKey, writeJson } from "../state/storage.ts";
import { panels } from "../words/language.ts";
import type { Failure } from "../words/language.ts";
import { amendmentOf, loadedMessages, quoteOf } from "./amendments.ts";
import { button, byId, element, isTouch, setText } from "./dom.ts";
import { releaseFocus } from "./focus.ts";

/** The parts of the composer that its aids use. */
export interface ComposerParts {
  readonly text: HTMLTextAreaElement;
  room(): Room | undefined;
  setValue(value: string): void;
  /** Whether the cursor is in a code block, where Enter starts a new line. */
  isInCodeBlock(): boolean;
  showFailure(failure: Failure): void;
}

/** Keys with this prefix hold the offset of the message that the draft of a room replies to. */
const replyPrefix = "parley.reply.";

/** The edit or reply in the composer. */
interface Work {
  readonly kind: "edit" | "reply";
  readonly room: Room;
  readonly message: Message | OutboxMessage;
  /** The composer's text before an edit. */
  readonly draft: string;
  /** The composer's text; empty until the person types. */
  typed: string;
}

export type Writing = ReturnType<typeof mountWriting>;

/** Why a text can't be sent to a private room. */
const tooLong: Problem = { code: "private_too_long", message: "" };

export function mountWriting(
  chat: ChatClient,
  { text, room, setValue, showFailure }: ComposerParts,
) {
  const storage = storageOf("sessionStorage");
  let work: Work | undefined;
  /** Edits and replies of other rooms. */
  const suspended = new WeakMap<Room, Work>();
  const label = element("span", { dir: "auto" });
  const line = element(
    "p",
    { class: "writing line", role: "status" },
    label,
    button(panels.cancel, () => cancel(), { class: "link" }),
  );
  line.hidden = true;
  const form = byId<"form">("composer");
  form.before(line);

  /** Rooms that have been checked for a reply from before a reload. */
  const checked = new WeakSet<Room>();
  const set = (kind: Work["kind"], room: Room, message: Message | OutboxMessage) => {
    work = { kind, room, message, draft: text.value, typed: "" };
    line.hidden = false;
    describe(work);
  };
  const start = (kind: Work["kind"], room: Room, message: Message | OutboxMessage) => {
    cancel();
    set(kind, room, message);
    text.focus();
    if (kind === "reply") writeJson(storage, replyPrefix + room.name, message.offset);
  };
  /** Resumes the reply that was in the composer before a reload, if its message is loaded. */
  const resume = (room: Room) => {
    if (room.phase !== "live" || checked.has(room)) return;
    checked.add(room);
    const key = replyPrefix + room.name;
    const offset = readJson(storage, key);
    const message = room.log.messages.find((it) => it.offset === offset);
    if (message === undefined || text.value === "") removeKey(storage, key);
    else set("reply", room, message);
  };
  text.addEventListener("input", () => {
    if (work !== undefined) work.typed = text.value;
  });
  /** Suspends the edit or reply of another room, and resumes that of the current one. */
  const follow = (current: Room) => {
    if (work?.room === current) return;
    // A command that led to another room is not part of an edit.
    if (work !== undefined && !/^\/(?!me |\/)/.test(work.typed)) suspended.set(work.room, work);
    work = suspended.get(current);
    suspended.delete(current);
    line.hidden = work === undefined;
    if (work?.kind === "edit") setValue(work.typed);
  };
  const describe = ({ kind, room, message }: Work) => {
    const hint = isTouch() ? "" : ` · ${panels.escapeCancels}`;
    const title = kind === "edit"
      ? panels.editing
      : panels.replyingTo(quoteOf(chat, room, message.offset ?? 0));
    setText(label, title + hint);
  };
  /** Ends an edit or a reply; after an edit, restores the draft. Returns whether it was an edit. */
  const end = (): boolean => {
    const isEdit = work?.kind === "edit";
    const draft = work?.draft ?? "";
    if (work?.kind === "reply") removeKey(storage, replyPrefix + work.room.name);
    work = undefined;
    releaseFocus(line);
    line.hidden = true;
    if (isEdit) setValue(draft);
    return isEdit;
  };
  const cancel = () => {
    if (work?.room === room()) end();
  };
  /** Explains how to delete a message if its edit is empty. Returns whether it is. */
  const explainEmpty = (): boolean => {
    const isEmpty = work?.kind === "edit" && text.value.trim() === "";
    if (isEmpty) showFailure(() => panels.emptyEdit);
    return isEmpty;
  };
  form.addEventListener("submit", explainEmpty);
  const edit = (message: Message | OutboxMessage, to?: string) => {
    const current = room();
    if (current === undefined) return;
    const source = to ?? amendmentOf(chat, current, message).view.text ?? "";
    start("edit", current, message);
    // A double slash sends text that looks like a command.
    const typed = source.startsWith("/") && !source.startsWith("/me ") ? `/${source}` : source;
    if (work !== undefined) work.typed = typed;
    setValue(typed);
  };

  return {
    /** Whether the composer holds an edit, which is not a draft. */
    get isEditing(): boolean {
      return work?.kind === "edit";
    },
    edit,
    explainEmpty,
    reply(message: Message): void {
      const current = room();
      if (current !== undefined) start("reply", current, message);
    },
    /** Edits the person's last message, if the composer is empty. */
    editLast(): boolean {
      const current = room();
      if (text.value !== "" || work !== undefined || current === undefined) return false;
      const unsent = chat.outbox.messagesIn(current.name)
        .findLast(({ type, state }) => type === undefined && state === "pending");
      const last = unsent ??
        current.log.messages.findLast((message) =>
          message.member === chat.session.member && amendmentOf(chat, current, message).view.text
        );
      if (last !== undefined) edit(last);
      return last !== undefined;
    },
    /** Moves the text of an unsent message or edit back to the composer. */
    takeBack(item: OutboxMessage): void {
      const taken = chat.discard(item);
      const current = room();
      if (taken === undefined || current === undefined) return;
      const message = loadedMessages(current).find(({ offset }) => offset === taken.offset);
      if (taken.type === "edit" && message !== undefined) return edit(message, taken.text);
      setValue(taken.text);
      text.focus();
    },
    /** Cancels an edit or a reply. Returns false if there is none. */
    escape(): boolean {
      const isWorking = work !== undefined;
      cancel();
      return isWorking;
    },
    /** Sends a text, as an edit or reply if there is one. Returns a problem if it is invalid. */
    send(name: string, typed: string): Problem | undefined {
      if (isPrivateRoom(name) && privateBytesLeft(typed.trimEnd()) < 0) return tooLong;
      if (work?.room.name !== name) return chat.send(name, typed);
      const { kind, room, message } = work;
      if (kind === "edit") return editMessage(chat, room, message, typed);
      return chat.send(name, typed, { reply: message.offset, answered: message.nonce });
    },
    /** Ends the edit or reply after its text was sent. Returns whether it was an edit. */
    onSent: end,
    /** Shows the edit or reply of the current room. Ends an edit whose message was deleted. */
    update(current: Room): void {
      follow(current);
      if (work === undefined) return resume(current);
      const { kind, message } = work;
      const stored = loadedMessages(current).find(({ nonce, member }) =>
        nonce === message.nonce && ("state" in message ? member === chat.session.member : true)
      );
      if (kind === "edit" && stored !== undefined && stored.text === undefined) {
        const typed = text.value;
        end();
        if (text.value === "") setValue(typed);
        showFailure({ code: "not_found", message: "" });
      } else {
        // The message may have been edited or deleted.
        describe(work);
      }
    },
  };
}

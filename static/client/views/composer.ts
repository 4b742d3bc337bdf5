// The composer: saves drafts, and sends messages and commands.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { loadDraft, saveDraft } from "../state/drafts.ts";
import { labelOf } from "../state/open_rooms.ts";
import type { Room } from "../state/room.ts";
import type { KeyValue } from "../state/storage.ts";
import { sentenceOf, words } from "../words/language.ts";
import type { Failure } from "../words/language.ts";
import type { ComposerAids } from "./composer_aids.ts";
import { byId, isTouch, setText } from "./dom.ts";

export interface ComposerActions {
  /** Runs a slash command. Returns the reason if that fails. */
  command(command: string, argument: string): Failure | undefined;
  /** Sends a text. Returns the reason if that fails. */
  send(room: string, text: string): Failure | undefined;
  onSent(): void;
}

/** Mounts the composer; `update` gives it a room. */
export function mountComposer(
  chat: ChatClient,
  storages: readonly KeyValue[],
  actions: ComposerActions,
) {
  const form = byId<"form">("composer");
  const text = byId<"textarea">("text");
  const problem = byId<"p">("composer-problem");
  let room: Room | undefined;
  let aids: ComposerAids | undefined;
  /** A command typed before the aids have loaded. */
  let early = "";

  const onChange = () => {
    if (room === undefined) return;
    // An edit is not a draft.
    if (!aids?.writing.isEditing) saveDraft(storages, room.name, text.value);
    setText(problem, "");
    aids?.onChange();
  };
  const setValue = (value: string) => {
    text.value = value;
    onChange();
  };
  const showFailure = async (failure: Failure) => setText(problem, await sentenceOf(failure));
  const isInCodeBlock = () =>
    text.value.slice(0, text.selectionStart).split("```").length % 2 === 0;
  const submit = () => {
    const typed = text.value.trim();
    const origin = room;
    if (origin === undefined || typed === "") return;
    const [, sign, name, argument = ""] = /^(\/?)(\/[a-z]+)(?:\s+([^]*))?$/i.exec(typed) ?? [];
    // A double slash sends text that looks like a command.
    const command = sign === "" ? name?.toLowerCase() : undefined;
    const isMessage = command === undefined || command === "/me" && argument !== "";
    if (!isMessage && aids === undefined) return void (early = typed);
    const failure = isMessage
      ? actions.send(
        origin.name,
        sign ? typed.slice(1) : command ? `${command} ${argument}` : text.value,
      )
      : actions.command(command, argument.trim());
    if (failure !== undefined) return void showFailure(failure);
    // A command may have shown another room.
    if (room === origin) setValue("");
    else saveDraft(storages, origin.name, "");
    if (isMessage) actions.onSent();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener("input", () => {
    onChange();
    if (room !== undefined && text.value !== "" && !text.value.startsWith("/")) {
      chat.sendTyping(room.name);
    }
  });
  text.addEventListener("keydown", (event) => {
    // Enter also ends a composition of an input method; Safari reports that by key code 229 only.
    if (event.isComposing || event.keyCode === 229) return;
    if (aids?.handleKey(event)) event.preventDefault();
    else if (
      event.key === "Enter" &&
      (event.ctrlKey || event.metaKey || !(event.shiftKey || isTouch() || isInCodeBlock()))
    ) {
      event.preventDefault();
      submit();
    }
  });

  return {
    parts: { text, room: () => room, setValue, isInCodeBlock, showFailure },
    /** Attaches the aids, which load after the page. */
    useAids(loaded: ComposerAids): void {
      aids = loaded;
      aids.onChange();
      if (early === text.value.trim()) submit();
    },
    update(current: Room): void {
      // This comes first, since a hidden field can't take the focus.
      form.hidden = isPrivateRoom(current.name) && !chat.privateRooms?.hasKey(current.name);
      if (current === room) return;
      room = current;
      text.placeholder = words.placeholder(labelOf(room.name));
      setValue(loadDraft(storages, room.name));
      if (!isTouch()) text.focus();
    },
    /** Shows below the text why an action failed. */
    showFailure,
  };
}

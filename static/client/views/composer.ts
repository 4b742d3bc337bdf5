// Where messages are written: grows, counts and sends. What a slash command does is not known here.

import type { ChatClient } from "../state/chat_client.ts";
import { byId, element, setText } from "./dom.ts";
import { loadDraft, pruneDrafts, saveDraft } from "../state/storage.ts";
import type { KeyValue } from "../state/storage.ts";
import { codePointLength } from "../../../app/protocol/text.ts";
import type { Complaint } from "../words/language.ts";
import type { Room } from "../state/room.ts";
import type { ComposerAids } from "./composer_aids.ts";
import { panelWords, sentenceOf, words } from "../words/language.ts";

/** What the composer asks for. */
export interface ComposerActions {
  /** Carries a slash command out. Answers why not when it cannot be. */
  command(command: string, argument: string): Complaint | undefined;
  /** A message was sent. */
  sent(): void;
}

/** The counter shows when fewer characters than this are left. */
const countFrom = 200;

/** Mounts the composer; `update` gives it the room that is shown. */
export function mountComposer(chat: ChatClient, storage: KeyValue, verbs: ComposerActions) {
  const form = byId("composer");
  const text = byId("text");
  const hint = byId("composer-hint");
  const problem = byId("composer-problem");
  pruneDrafts(storage, chat.rooms);
  let room: Room | undefined;
  let aids: ComposerAids | undefined;

  const grow = () => {
    if (CSS.supports("field-sizing", "content")) return;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  };
  const most = () => chat.limits?.textMaxLength ?? Infinity;
  const changed = () => {
    if (room === undefined) return;
    saveDraft(storage, room.name, text.value);
    const left = most() - codePointLength(text.value.trim());
    setText(hint, left < countFrom ? words.charactersLeft(left) : words.sendHint);
    hint.classList.toggle("count", left < countFrom);
    hint.classList.toggle("trouble", left < 0);
    setText(problem, "");
    aids?.changed();
    grow();
  };
  const set = (value: string) => {
    text.value = value;
    changed();
  };
  const complain = async (what: Complaint) => setText(problem, await sentenceOf(what));
  const submit = () => {
    if (room === undefined || text.value.trim() === "") return;
    const typed = text.value.trim();
    const [, command, argument = ""] = /^(\/[a-z]+)(?:\s+([^]*))?$/.exec(typed) ?? [];
    const isMessage = command === undefined || command === "/me";
    const refused = isMessage
      ? chat.send(room.name, typed)
      : verbs.command(command, argument.trim());
    if (refused !== undefined) return void complain(refused);
    set("");
    if (isMessage) verbs.sent();
  };

  /** Loaded with the first focus: nobody needs them before. */
  const loadAids = async () => {
    if (aids !== undefined) return;
    try {
      const [{ mountComposerAids }, sentences] = await Promise.all([
        import("./composer_aids.ts"),
        panelWords(),
      ]);
      aids ??= mountComposerAids(element, sentences, chat, {
        text,
        list: byId("suggestions"),
        room: () => room,
        most,
        set,
        complain: (what) => setText(problem, what),
      });
      aids.changed();
    } catch {
      // The next focus tries again.
    }
  };
  text.addEventListener("focus", () => void loadAids());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener("input", () => {
    changed();
    if (room !== undefined && text.value !== "" && !text.value.startsWith("/")) {
      chat.sendTyping(room.name);
    }
  });
  text.addEventListener("keydown", (event) => {
    // Enter ends a composition of an input method; Safari says so only by the old code.
    if (event.isComposing || event.keyCode === 229) return;
    if (aids?.takes(event)) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !isTouch()) {
      event.preventDefault();
      submit();
    }
  });

  return {
    /** Gives the composer to a room. */
    update(shown: Room): void {
      if (shown === room) return;
      room = shown;
      text.placeholder = words.placeholder(shown.name);
      set(loadDraft(storage, shown.name));
      if (!isTouch()) text.focus();
    },
    /** Puts a text where it can be changed. */
    edit(value: string): void {
      set(value);
      text.focus();
    },
    /** Says why something was not done. */
    complain,
  };
}

/** On a phone Enter begins a line, and a button sends. */
function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

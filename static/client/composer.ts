// Where messages are written: grows, sends, completes, recalls, and knows the slash commands. What a command does is
// not known here.

import type { Chat } from "./chat.ts";
import { byId, element, setText } from "./dom.ts";
import { draftOf, keepDraft, tidyDrafts } from "./storage.ts";
import type { KeyValue } from "./storage.ts";
import { codePointLength } from "../../app/protocol.ts";
import type { Room } from "./state.ts";
import { words } from "./language.ts";

/** What the composer asks for. */
export interface ComposerVerbs {
  /** Carries a slash command out. Answers why not when it cannot be. */
  command(command: string, argument: string): string | undefined;
  /** A message was sent. */
  sent(): void;
}

/** The counter shows when fewer characters than this are left. */
const countFrom = 200;

/** Mounts the composer; `update` gives it the room that is shown. */
export function mountComposer(chat: Chat, storage: KeyValue, verbs: ComposerVerbs) {
  const form = byId("composer", HTMLFormElement);
  const text = byId("text", HTMLTextAreaElement);
  const hint = byId("composer-hint", HTMLSpanElement);
  const problem = byId("composer-problem", HTMLParagraphElement);
  const suggestions = byId("suggestions", HTMLUListElement);
  tidyDrafts(storage, chat.rooms);
  let room: Room | undefined;
  let chosen = 0;
  let completion:
    | { readonly words: readonly string[]; readonly start: number; index: number }
    | undefined;

  const grow = () => {
    if (CSS.supports("field-sizing", "content")) return;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  };
  const most = () => chat.limits?.textMaxLength ?? Infinity;
  const changed = () => {
    if (room === undefined) return;
    completion = undefined;
    keepDraft(storage, room.name, text.value);
    const left = most() - codePointLength(text.value.trim());
    setText(hint, left < countFrom ? words.charactersLeft(left) : words.send);
    hint.classList.toggle("trouble", left < 0);
    setText(problem, "");
    chosen = 0;
    suggest();
    grow();
  };
  const set = (value: string) => {
    text.value = value;
    changed();
  };
  const submit = () => {
    if (room === undefined || text.value.trim() === "") return;
    const typed = text.value.trim();
    const [, command, argument = ""] = /^(\/[a-z]+)(?:\s+([^]*))?$/.exec(typed) ?? [];
    const refused = command === undefined || command === "/me"
      ? chat.send(room.name, typed)
      : verbs.command(command, argument.trim());
    if (refused !== undefined) return setText(problem, words.problem(refused));
    set("");
    verbs.sent();
  };

  // ------------------------------------------------------- slash commands

  const matching = () =>
    /^\/[a-z]*$/.test(text.value)
      ? Object.keys(words.commands).filter((command) => command.startsWith(text.value))
      : [];
  const suggest = () => {
    const found = matching();
    suggestions.hidden = found.length === 0;
    suggestions.replaceChildren(...found.map((command, i) => {
      const [argument, what] = words.commands[command] ?? ["", ""];
      const item = element(
        "li",
        { role: "option", id: `suggestion-${i}`, "aria-selected": String(i === chosen) },
        element("span", {}, `${command} ${argument}`),
        element("small", {}, what),
      );
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(command);
      });
      return item;
    }));
    if (found.length === 0) text.removeAttribute("aria-activedescendant");
    else text.setAttribute("aria-activedescendant", `suggestion-${chosen}`);
  };
  const take = (command: string) => {
    set(words.commands[command]?.[0] === "" ? command : `${command} `);
    suggestions.hidden = true;
    text.focus();
  };

  // ------------------------------------------------------- names and rooms

  const complete = (): boolean => {
    if (completion === undefined) {
      const before = text.value.slice(0, text.selectionStart);
      const [, sign = "", typed = ""] = /(?:^|\s)([@#]?)([^\s@#]+)$/.exec(before) ?? [];
      if (typed === "" || room === undefined) return false;
      const start = before.length - typed.length - sign.length;
      const isStart = (name: string) => name.toLowerCase().startsWith(typed.toLowerCase());
      const names = [...room.members.values()].filter((name) => name !== chat.username);
      const found = sign === "#"
        ? [...chat.rooms.keys()].filter(isStart).map((name) => `#${name} `)
        : names.filter(isStart).sort().map((name) => `@${name} `);
      if (found.length === 0) return false;
      completion = { words: found, start, index: -1 };
    }
    const kept = completion;
    kept.index = (kept.index + 1) % kept.words.length;
    const word = kept.words[kept.index] ?? "";
    text.setRangeText(word, kept.start, text.selectionStart, "end");
    changed();
    completion = kept;
    return true;
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  text.addEventListener("input", () => {
    changed();
    if (room !== undefined && text.value !== "" && !text.value.startsWith("/")) {
      chat.typing(room.name);
    }
  });
  text.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    if (codePointLength(pasted.trim()) <= most()) return;
    event.preventDefault();
    setText(problem, words.pasteTooLong(most()));
  });
  text.addEventListener("keydown", (event) => {
    // Enter ends a composition of an input method; Safari says so only by the old code.
    if (event.isComposing || event.keyCode === 229) return;
    const found = suggestions.hidden ? [] : matching();
    if (found.length > 0) {
      const picked = found[chosen] ?? "";
      switch (event.key) {
        case "ArrowDown":
        case "ArrowUp":
          event.preventDefault();
          chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
          return suggest();
        case "Escape":
          suggestions.hidden = true;
          return;
        case "Tab":
        case "Enter":
          if (picked === text.value && event.key === "Enter") break;
          event.preventDefault();
          return take(picked);
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !isTouch()) {
      event.preventDefault();
      submit();
    } else if (event.key === "Tab" && !event.shiftKey && complete()) event.preventDefault();
    else if (event.key === "ArrowUp" && text.value === "" && room !== undefined) {
      const mine = room.messages.findLast(({ member }) => member === chat.member);
      if (mine === undefined) return;
      event.preventDefault();
      set(mine.text);
    }
  });

  return {
    /** Gives the composer to a room. */
    update(shown: Room): void {
      if (shown === room) return;
      room = shown;
      text.placeholder = words.message(shown.name);
      set(draftOf(storage, shown.name));
      if (!isTouch()) text.focus();
    },
    /** Puts a text where it can be changed. */
    edit(value: string): void {
      set(value);
      text.focus();
    },
    /** Says why something was not done. */
    complain: (what: string) => setText(problem, words.problem(what)),
  };
}

/** On a phone Enter begins a line, and a button sends. */
function isTouch(): boolean {
  return matchMedia("(pointer: coarse)").matches;
}

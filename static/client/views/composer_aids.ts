// Aids for writing: suggestions for commands, names and rooms, recall of the last message, a count
// of characters, pasting, splitting of long texts, and keys that work anywhere. Loads after the page.

import { codePointLength } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import type { Room } from "../state/room.ts";
import { splitText } from "../state/split_text.ts";
import { panels } from "../words/language.ts";
import type { Complaint } from "../words/language.ts";
import { button, byId, element, isTouch, setText } from "./dom.ts";

/** What the aids use of the composer. */
export interface ComposerParts {
  readonly text: HTMLTextAreaElement;
  room(): Room | undefined;
  isInCodeBlock(): boolean;
  onSent(): void;
  complain(complaint: Complaint): void;
}

export type ComposerAids = ReturnType<typeof mountComposerAids>;

/** A text that can replace what was typed from `start` to the cursor. */
interface Suggestion {
  readonly start: number;
  readonly text: string;
  readonly label: string;
  readonly note: string;
}

const suggestionsMax = 8;
/** Max length of a pasted text and what it is added to, as long as a draft may be. */
const textMaxLength = 40_000;
/** The counter shows when fewer characters than this are left. */
const counterMin = 200;
const editable = "input, textarea, select";

export function mountComposerAids(
  chat: ChatClient,
  { text, room, isInCodeBlock, onSent, complain }: ComposerParts,
) {
  const list = byId<"ul">("suggestions");
  const hint = byId<"span">("composer-hint");
  let suggestions: readonly Suggestion[] = [];
  let selected = 0;
  /** What Tab completes, until the text changes otherwise. */
  let completion: { readonly candidates: readonly Suggestion[]; index: number } | undefined;
  /** The room whose last message is in the composer again. */
  let recalledIn: Room | undefined;

  const maxLength = () => chat.limits?.textMaxLength ?? Infinity;
  const count = () => {
    const left = maxLength() - codePointLength(text.value.trimEnd());
    const isCounting = left < counterMin;
    setText(hint, isCounting ? panels.charactersLeft(left) : panels.sendHint(isInCodeBlock()));
    hint.classList.toggle("count", isCounting);
    hint.classList.toggle("trouble", left < 0);
    split.hidden = left >= 0;
    if (left >= 0) return;
    setText(split, panels.sendAsMany(splitText(text.value, maxLength()).length));
  };
  /** Replaces a part of the text as typing does, so that it can be undone. */
  const insert = (inserted: string, start: number, end: number) => {
    text.focus();
    text.setSelectionRange(start, end);
    const command = inserted === "" ? "delete" : "insertText";
    if (!document.execCommand(command, false, inserted)) {
      text.setRangeText(inserted, start, end, "end");
      text.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
  };

  const commands = (): Suggestion[] =>
    /^\/[a-z]*$/.test(text.value)
      ? Object.entries(panels.commands).filter(([command]) => command.startsWith(text.value))
        .map(([command, [argument, note]]) => ({
          start: 0,
          text: argument === "" ? command : `${command} `,
          label: `${command} ${argument}`,
          note,
        }))
      : [];
  /** The members in the order of their names, then other authors, the most recent first. */
  const names = (): Map<string, string> => {
    const { roster, messages } = room() ?? {};
    const here = [...roster?.members.values() ?? []].sort((a, b) => a.localeCompare(b));
    const notes = new Map(here.map((name) => [name, ""]));
    // A crowded room has no list of members.
    const note = roster?.isCrowded ? "" : panels.away;
    for (const { from } of messages?.toReversed() ?? []) {
      if (!notes.has(from)) notes.set(from, note);
    }
    notes.delete(chat.username);
    return notes;
  };
  /** Returns what the word before the cursor can become. */
  const completions = (): Suggestion[] => {
    const before = text.value.slice(0, text.selectionStart);
    const [, sign = "", typed = ""] = /(?:^|[\s(])([@#]?)([^\s@#]*)$/.exec(before) ?? [];
    if (sign + typed === "") return [];
    // The argument of /join is a room, with or without its sign.
    const isRoom = sign === "#" || /^\/join\s+\S+$/.test(before);
    const found = isRoom ? new Map([...chat.rooms.keys()].map((name) => [name, ""])) : names();
    return [...found].filter(([name]) => name.toLowerCase().startsWith(typed.toLowerCase()))
      .map(([name, note]) => {
        const label = (isRoom ? sign : "@") + name;
        const start = before.length - typed.length - sign.length;
        return { start, text: `${label} `, label, note };
      });
  };

  const showSuggestions = () => {
    list.hidden = suggestions.length === 0;
    list.replaceChildren(...suggestions.map((suggestion, i) => {
      const item = element(
        "li",
        { role: "option", id: `suggestion-${i}`, "aria-selected": String(i === selected) },
        element("span", { dir: "auto" }, suggestion.label),
        element("small", {}, suggestion.note),
      );
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        accept(suggestion);
      });
      return item;
    }));
    if (list.hidden) text.removeAttribute("aria-activedescendant");
    else text.setAttribute("aria-activedescendant", `suggestion-${selected}`);
  };
  const suggest = () => {
    selected = 0;
    const before = text.value.slice(0, text.selectionStart);
    const isName = /(?:^|[\s(])[@#][^\s@#]*$/.test(before);
    suggestions = isName ? completions().slice(0, suggestionsMax) : commands();
    showSuggestions();
  };
  const accept = ({ start, text: accepted }: Suggestion) => {
    insert(accepted, start, text.selectionStart);
    suggestions = [];
    showSuggestions();
  };
  /** Completes the word before the cursor, or replaces the last completion by the next. */
  const complete = (): boolean => {
    const current = completion ?? { candidates: completions(), index: selected - 1 };
    const { candidates } = current;
    current.index = (current.index + 1) % candidates.length;
    const candidate = candidates[current.index];
    if (candidate === undefined) return false;
    accept(candidate);
    completion = current;
    return true;
  };

  /** Puts the person's last message into an empty composer. */
  const recall = (): boolean => {
    const last = room()?.messages.findLast(({ member }) => member === chat.member);
    if (text.value !== "" || last === undefined) return false;
    insert(last.text, 0, 0);
    recalledIn = room();
    return true;
  };
  const clear = (): boolean => {
    if (recalledIn === undefined || recalledIn !== room()) return false;
    insert("", 0, text.value.length);
    return true;
  };

  const split = button("", () => {
    for (const part of splitText(text.value, maxLength())) chat.send(room()?.name ?? "", part);
    insert("", 0, text.value.length);
    onSent();
  }, { class: "link" });
  byId<"p">("composer-problem").before(split);
  const isElsewhere = (target: EventTarget | null) =>
    !byId<"div">("app").hidden && !byId<"dialog">("dialog").open &&
    target instanceof Element && target.closest(editable) === null;
  document.addEventListener("keydown", (event) => {
    const { key, altKey, ctrlKey, metaKey, target } = event;
    const step = altKey ? ["ArrowUp", "", "ArrowDown"].indexOf(key) - 1 : 0;
    if (Math.abs(step) === 1) {
      event.preventDefault();
      const rooms = [...document.querySelectorAll<HTMLElement>("#room-list button:not(.leave)")];
      const current = rooms.findIndex(({ ariaCurrent }) => ariaCurrent !== null);
      rooms.at((current + step) % rooms.length)?.click();
    } else if (!event.defaultPrevented && !altKey && !ctrlKey && !metaKey && isElsewhere(target)) {
      // A space scrolls, or presses a button.
      const isTyping = Array.from(key).length === 1 && key !== " ";
      if (isTyping || key === "Dead" || key === "Escape") text.focus();
    }
  });
  document.addEventListener("paste", (event) => {
    const { target, clipboardData } = event;
    if (target !== text && !isElsewhere(target)) return;
    const pasted = clipboardData?.getData("text/plain") ?? "";
    const isTooLong = text.value.length + pasted.length > textMaxLength;
    if (isTooLong) complain(() => panels.pasteTooLong(textMaxLength));
    else if (pasted === "" && clipboardData?.files.length) complain(() => panels.noFiles);
    else if (pasted === "" || target === text) return;
    else insert(pasted, text.selectionStart, text.selectionEnd);
    event.preventDefault();
  });
  text.enterKeyHint = isTouch() ? "enter" : "send";
  // The text keeps the focus, and a phone its keyboard.
  byId<"button">("send").addEventListener("mousedown", (event) => event.preventDefault());

  return {
    /** The text changed. */
    onChange(): void {
      completion = undefined;
      if (text.value === "") recalledIn = undefined;
      suggest();
      count();
    },
    /** Handles a key. Returns false if it is not for the aids. */
    takes({ key, shiftKey, altKey }: KeyboardEvent): boolean {
      // Alt and an arrow key switch rooms.
      if (altKey) return false;
      const suggestion = suggestions[selected];
      if (suggestion === undefined) {
        if (key === "Escape") return clear();
        return key === "ArrowUp" ? recall() : key === "Tab" && !shiftKey && complete();
      }
      switch (key) {
        case "ArrowDown":
        case "ArrowUp": {
          const { length } = suggestions;
          selected = (selected + (key === "ArrowDown" ? 1 : length - 1)) % length;
          showSuggestions();
          return true;
        }
        case "Escape":
          suggestions = [];
          showSuggestions();
          return true;
        case "Tab":
          if (shiftKey) return false;
          if (suggestion.start > 0 || !text.value.startsWith("/")) return complete();
          accept(suggestion);
          return true;
        case "Enter": {
          const typed = text.value.slice(suggestion.start, text.selectionStart);
          if (shiftKey || typed === suggestion.text.trimEnd()) return false;
          accept(suggestion);
          return true;
        }
        default:
          return false;
      }
    },
  };
}

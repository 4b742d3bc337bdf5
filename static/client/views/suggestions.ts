// The list of suggestions above the composer: commands, members and rooms.

import { isPrivateRoom } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { characterBefore, mayPrecedeMention, mayPrecedeRoom } from "../state/formatting.ts";
import { panels } from "../words/language.ts";
import { byId, element } from "./dom.ts";
import type { ComposerParts } from "./writing.ts";

/** A text that can replace the one before the cursor. */
interface Suggestion {
  readonly text: string;
  readonly label: string;
  /** The argument of a command. */
  readonly argument?: string;
  readonly note: string;
}

interface Completion {
  readonly candidates: readonly Suggestion[];
  /** Where the text to replace starts. */
  readonly start: number;
}

const listMax = 8;

/** Returns a name as it is compared: without case and accents, with spaces between its words. */
function keyOf(name: string): string {
  return name.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("-", " ").toLowerCase();
}

export function mountSuggestions(
  chat: ChatClient,
  { text, room, setValue, isInCodeBlock }: ComposerParts,
) {
  const list = byId<"ul">("suggestions");
  list.ariaLabel = panels.suggestions;
  // Lists that scroll take the focus by default.
  list.tabIndex = -1;
  text.ariaHasPopup = "listbox";
  /** The completion in the list, if it is visible. */
  let listed: Completion | undefined;
  let selected = 0;
  /** The completion that Tab cycles through, until the text changes in another way. */
  let cycled: Completion | undefined;
  let cursor = 0;

  const typedSince = (start: number) => text.value.slice(start, text.selectionStart);
  const isTyped = (suggestion: Suggestion, start: number) =>
    suggestion.text.trimEnd().toLowerCase() === typedSince(start).toLowerCase();

  const findCommands = (): Completion | undefined => {
    // Phones begin sentences with a capital letter.
    const typed = text.value.toLowerCase();
    if (!/^\/[a-z]*$/.test(typed)) return undefined;
    const candidates = Object.entries(panels.commands)
      .filter(([command]) => command.startsWith(typed))
      .map(([command, [argument, note]]) => ({
        text: argument === "" ? command : `${command} `,
        label: command,
        argument,
        note,
      }));
    return candidates.length === 0 ? undefined : { candidates, start: 0 };
  };
  /** Returns names with notes: members in alphabetical order, then other authors, newest first. */
  const names = (): Map<string, string> => {
    const { roster, log } = room() ?? {};
    const here = [...roster?.members.values() ?? []].sort((a, b) => a.localeCompare(b));
    const notes = new Map(here.map((name) => [name, ""]));
    // A crowded room lists no members, so any author may be present.
    const note = roster?.isCrowded ? "" : panels.away;
    for (const { from } of log?.messages.toReversed() ?? []) {
      if (!notes.has(from)) notes.set(from, note);
    }
    notes.delete(chat.session.username);
    return notes;
  };
  /** Completes the name or room before the cursor. `pattern` captures its sign and the rest. */
  const findNames = (pattern: RegExp): Completion | undefined => {
    const before = typedSince(0);
    const match = pattern.exec(before);
    const [, sign, typed] = match ?? [];
    if (match === null || sign === undefined || typed === undefined) return undefined;
    const isRoomSign = /[#\uff03]/.test(sign);
    const mayFollow = isRoomSign ? mayPrecedeRoom : mayPrecedeMention;
    if (sign !== "" && !mayFollow(characterBefore(before, match.index))) return undefined;
    // The argument of /join is a room, with or without its sign.
    const isRoom = isRoomSign || /^\/join\s+\S+$/.test(before);
    const rooms = [...chat.rooms.keys()].filter((name) => !isPrivateRoom(name));
    const found = isRoom ? new Map(rooms.map((name) => [name, ""])) : names();
    // A space ends a whole name, though a longer one may start with it.
    if (typed.endsWith(" ") && found.has(typed.trimEnd())) return undefined;
    const prefix = isRoom ? sign && "#" : "@";
    const key = keyOf(typed);
    // Names that start with the text come before those in which a later word does.
    const starting = [...found].filter(([name]) => keyOf(name).startsWith(key));
    const others = [...found].filter(([name]) => keyOf(name).includes(` ${key}`));
    const candidates = [...new Map([...starting, ...others])]
      .map(([name, note]) => ({ text: `${prefix}${name} `, label: prefix + name, note }));
    const start = before.length - typed.length - sign.length;
    return candidates.length === 0 ? undefined : { candidates, start };
  };
  // A name may contain spaces.
  const findSigned = () => findNames(/([@\uff20#\uff03])([^\n@\uff20#\uff03]*)$/);

  const draw = () => {
    list.hidden = listed === undefined;
    const items = listed?.candidates.map((suggestion, i) => {
      const { label, argument, note } = suggestion;
      const item = element(
        "li",
        { role: "option", id: `suggestion-${i}`, "aria-selected": String(i === selected) },
        element(
          "span",
          { title: label },
          element("bdi", { translate: "no" }, label),
          argument && element("small", {}, ` ${argument}`),
        ),
        element("small", {}, note),
      );
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        accept(i);
      });
      return item;
    });
    list.replaceChildren(...items ?? []);
    items?.[selected]?.scrollIntoView({ block: "nearest" });
    if (listed === undefined) text.removeAttribute("aria-activedescendant");
    else text.setAttribute("aria-activedescendant", `suggestion-${selected}`);
  };
  const close = () => {
    listed = undefined;
    draw();
  };
  /** Lists the suggestions for the text before the cursor. */
  const suggest = () => {
    cursor = text.selectionStart;
    listed = findCommands();
    const signed = listed || isInCodeBlock() ? undefined : findSigned();
    if (signed) listed = { ...signed, candidates: signed.candidates.slice(0, listMax) };
    if (document.activeElement !== text) listed = undefined;
    const { candidates = [], start = 0 } = listed ?? {};
    selected = Math.max(0, candidates.findIndex((candidate) => isTyped(candidate, start)));
    draw();
  };
  /** Replaces the text as typing does, so that it can be undone. */
  const insert = (inserted: string, start: number) => {
    const end = text.selectionStart;
    text.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, inserted)) {
      text.setRangeText(inserted, start, end, "end");
      setValue(text.value);
    }
    close();
  };
  /** Inserts a suggestion of the list. Tab then inserts the next. */
  const accept = (index: number) => {
    const current = listed;
    if (current === undefined) return;
    insert(current.candidates[index]?.text ?? "", current.start);
    selected = index;
    cycled = current;
  };
  /** Completes the word before the cursor, or replaces the last completion with the next. */
  const cycle = (): boolean => {
    if (isInCodeBlock()) return false;
    const next = cycled === undefined ? 0 : selected + 1;
    listed = cycled ?? findSigned() ?? findNames(/(?:^|\s)()([^\s@#]+)$/);
    if (listed === undefined) return false;
    accept(next % listed.candidates.length);
    return true;
  };

  document.addEventListener("selectionchange", () => {
    if (document.activeElement === text && text.selectionStart !== cursor) suggest();
  });
  text.addEventListener("blur", close);

  return {
    /** Called after the text has changed. */
    onChange(): void {
      cycled = undefined;
      suggest();
    },
    /** Handles a key. Returns false if it has no meaning here. */
    handleKey({ key, shiftKey }: KeyboardEvent): boolean {
      if (shiftKey) return false;
      const suggestion = listed?.candidates[selected];
      if (listed === undefined || suggestion === undefined) return key === "Tab" && cycle();
      const { candidates, start } = listed;
      switch (key) {
        case "ArrowDown":
        case "ArrowUp": {
          const { length } = candidates;
          selected = (selected + (key === "ArrowDown" ? 1 : length - 1)) % length;
          draw();
          return true;
        }
        case "Escape":
          close();
          return true;
        case "Enter":
          if (isTyped(suggestion, start)) return false;
          accept(selected);
          return true;
        case "Tab":
          accept(selected);
          return true;
        default:
          return false;
      }
    },
  };
}

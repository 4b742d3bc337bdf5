// Helps to write: completes slash commands from a list, names and rooms with Tab, brings the last message back, goes to the
// next room, and refuses what is too long to paste. Loaded after the page, which lends it what it has already.

import type { ChatClient } from "../state/chat_client.ts";
import type { element } from "./dom.ts";
import type { PanelWords } from "../words/panel_words_en.ts";
import type { Room } from "../state/room.ts";

/** What the composer has. */
export interface ComposerParts {
  readonly text: HTMLTextAreaElement;
  readonly list: HTMLUListElement;
  room(): Room | undefined;
  /** How many characters a message can have. */
  most(): number;
  /** Replaces what is written. */
  set(value: string): void;
  /** Says why something was not done. */
  complain(sentence: string): void;
}

/** The aids of a composer. */
export type ComposerAids = ReturnType<typeof mountComposerAids>;

/** Mounts the aids. */
export function mountComposerAids(
  make: typeof element,
  sentences: PanelWords,
  chat: ChatClient,
  { text, list, room, most, set, complain }: ComposerParts,
) {
  let chosen = 0;
  let tab:
    | { readonly found: readonly string[]; readonly start: number; index: number }
    | undefined;

  const matching = () =>
    /^\/[a-z]*$/.test(text.value)
      ? Object.keys(sentences.commands).filter((command) => command.startsWith(text.value))
      : [];
  const suggest = () => {
    const found = matching();
    list.hidden = found.length === 0;
    list.replaceChildren(...found.map((command, i) => {
      const [argument, what] = sentences.commands[command] ?? ["", ""];
      const item = make(
        "li",
        { role: "option", id: `suggestion-${i}`, "aria-selected": String(i === chosen) },
        make("span", {}, `${command} `, make("small", {}, argument)),
        make("small", {}, what),
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
    set(sentences.commands[command]?.[0] === "" ? command : `${command} `);
    list.hidden = true;
    text.focus();
  };

  const complete = (): boolean => {
    if (tab === undefined) {
      const before = text.value.slice(0, text.selectionStart);
      const [, sign = "", typed = ""] = /(?:^|\s)([@#]?)([^\s@#]+)$/.exec(before) ?? [];
      if (typed === "") return false;
      const start = before.length - typed.length - sign.length;
      const isStart = (name: string) => name.toLowerCase().startsWith(typed.toLowerCase());
      // A crowded room has no list of who is there; who has said something there has a name.
      const { members, messages } = room() ?? { members: new Map<string, string>(), messages: [] };
      const known = members.size > 0 ? [...members.values()] : messages.map(({ from }) => from);
      const names = [...new Set(known)].filter((name) => name !== chat.username);
      // What follows /join is a room, with its sign or without.
      const isRoom = sign === "#" || /^\/join\s+\S+$/.test(before);
      const found = isRoom
        ? [...chat.rooms.keys()].filter(isStart).map((name) => `${sign}${name} `)
        : names.filter(isStart).sort().map((name) => `@${name} `);
      if (found.length === 0) return false;
      tab = { found, start, index: -1 };
    }
    const going = tab;
    going.index = (going.index + 1) % going.found.length;
    const word = going.found[going.index] ?? "";
    const end = text.selectionStart;
    set(text.value.slice(0, going.start) + word + text.value.slice(end));
    const cursor = going.start + word.length;
    text.setSelectionRange(cursor, cursor);
    tab = going;
    return true;
  };

  /** Brings the last own message back, where nothing is written. */
  const recall = (): boolean => {
    const mine = room()?.messages.findLast(({ member }) => member === chat.member);
    if (text.value !== "" || mine === undefined) return false;
    set(mine.text);
    return true;
  };

  document.addEventListener("keydown", (event) => {
    const step = event.altKey ? ["ArrowUp", "", "ArrowDown"].indexOf(event.key) - 1 : 0;
    if (Math.abs(step) !== 1) return;
    event.preventDefault();
    const rooms = [...document.querySelectorAll<HTMLElement>("#room-list button")];
    const shown = rooms.findIndex(({ ariaCurrent }) => ariaCurrent !== null);
    rooms.at((shown + step) % rooms.length)?.click();
  });
  text.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.getData("text/plain").trim() ?? "";
    // What has fewer units has fewer characters too.
    if (pasted.length <= most() || [...pasted].length <= most()) return;
    event.preventDefault();
    complain(sentences.pasteTooLong(most()));
  });

  return {
    /** What is written has changed. */
    changed(): void {
      tab = undefined;
      chosen = 0;
      suggest();
    },
    /** Whether a key was meant for one of the aids. */
    takes({ key, shiftKey, altKey }: KeyboardEvent): boolean {
      // With Alt the arrows go through the rooms.
      if (altKey) return false;
      const found = list.hidden ? [] : matching();
      const picked = found[chosen];
      if (picked === undefined) {
        return key === "ArrowUp" ? recall() : key === "Tab" && !shiftKey && complete();
      }
      switch (key) {
        case "ArrowDown":
        case "ArrowUp":
          chosen = (chosen + (key === "ArrowDown" ? 1 : found.length - 1)) % found.length;
          suggest();
          return true;
        case "Escape":
          list.hidden = true;
          return true;
        case "Tab":
        case "Enter":
          if (shiftKey || (key === "Enter" && picked === text.value)) return false;
          take(picked);
          return true;
        default:
          return false;
      }
    },
  };
}

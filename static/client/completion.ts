// Completes what is being written: slash commands from a list, names and rooms with Tab. Loaded after the page, which lends it
// what it has already.

import type { Chat } from "./chat.ts";
import type { element } from "./dom.ts";
import type { PanelWords } from "./panel_words.ts";
import type { Room } from "./state.ts";

/** What the composer has. */
export interface Writing {
  readonly text: HTMLTextAreaElement;
  readonly list: HTMLUListElement;
  room(): Room | undefined;
  /** Replaces what is written. */
  set(value: string): void;
}

/** The completion of a composer. */
export type Completion = ReturnType<typeof mountCompletion>;

/** Mounts the completion. */
export function mountCompletion(
  make: typeof element,
  sentences: PanelWords,
  chat: Chat,
  { text, list, room, set }: Writing,
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
        make("span", {}, `${command} ${argument}`),
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
      const names = [...room()?.members.values() ?? []].filter((name) => name !== chat.username);
      const found = sign === "#"
        ? [...chat.rooms.keys()].filter(isStart).map((name) => `#${name} `)
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

  return {
    /** What is written has changed. */
    changed(): void {
      tab = undefined;
      chosen = 0;
      suggest();
    },
    /** Whether a key was meant for the completion. */
    takes({ key, shiftKey }: KeyboardEvent): boolean {
      const found = list.hidden ? [] : matching();
      const picked = found[chosen];
      if (picked === undefined) return key === "Tab" && !shiftKey && complete();
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

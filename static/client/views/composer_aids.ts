// The parts of the composer that load after the page: a list of slash commands, completion of names
// and rooms, edits and replies, a character count, the splitting of long texts, and keys for
// switching rooms.

import { privateBytesLeft } from "../../../app/protocol/sealed.ts";
import { codePointLength, isPrivateRoom } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { splitText } from "../state/splitting.ts";
import { panels } from "../words/language.ts";
import { button, byId, element, isTouch, setText } from "./dom.ts";
import { mountWriting } from "./writing.ts";
import type { ComposerParts } from "./writing.ts";

/** The counter shows when fewer characters than this are left. */
const counterMin = 200;
/** Max messages that a long text is split into. */
const splitMax = 10;

export type ComposerAids = ReturnType<typeof mountComposerAids>;

export function mountComposerAids(
  chat: ChatClient,
  { text, room, setValue, showFailure }: ComposerParts,
) {
  const list = byId<"ul">("suggestions");
  list.ariaLabel = panels.commandList;
  const hint = byId<"span">("composer-hint");
  let selected = 0;
  /** The completion that Tab cycles through, until the text changes in another way. */
  let completion:
    | { readonly candidates: readonly string[]; readonly start: number; index: number }
    | undefined;

  const isPrivate = () => isPrivateRoom(room()?.name ?? "");
  const maxLength = () => chat.limits?.textMaxLength ?? Infinity;
  /** Returns the number of characters left for a text, or of bytes in a private room. */
  const lengthLeft = (text: string) =>
    isPrivate() ? privateBytesLeft(text.trimEnd()) : maxLength() - codePointLength(text.trimEnd());
  const count = () => {
    const left = lengthLeft(text.value);
    const isCounting = left < counterMin;
    const describe = isPrivate() ? panels.bytesLeft : panels.charactersLeft;
    setText(hint, isCounting ? describe(left) : panels.sendHint);
    hint.classList.toggle("count", isCounting);
    hint.classList.toggle("trouble", left < 0);
    const pieces = left < 0 && !writing.isEditing ? piecesOf(text.value) : undefined;
    splitLine.hidden = pieces === undefined;
    if (pieces !== undefined) setText(splitButton, panels.splitInto(pieces.length));
  };
  const piecesOf = (text: string) => splitText(text, splitMax, (piece) => lengthLeft(piece) >= 0);
  /** Sends a long text as several messages. If one fails, keeps the rest. */
  const split = () => {
    const name = room()?.name;
    const pieces = piecesOf(text.value) ?? [];
    if (name === undefined) return;
    for (const [i, piece] of pieces.entries()) {
      if (i === pieces.length - 1) {
        // A double slash sends text that looks like a command.
        setValue(piece.startsWith("/") ? `/${piece}` : piece);
        return byId<"form">("composer").requestSubmit();
      }
      const failure = writing.send(name, piece);
      if (failure !== undefined) {
        setValue(pieces.slice(i).join("\n"));
        return showFailure(failure);
      }
      // Only the first message is a reply.
      writing.onSent();
    }
  };
  const splitButton = button("", split, { class: "link" });
  const splitLine = element("p", { class: "hint" }, splitButton);
  splitLine.hidden = true;
  byId<"p">("composer-problem").before(splitLine);
  const matchingCommands = () =>
    /^\/[a-z]*$/.test(text.value)
      ? Object.keys(panels.commands).filter((command) => command.startsWith(text.value))
      : [];
  const suggest = () => {
    const commands = matchingCommands();
    list.hidden = commands.length === 0;
    list.replaceChildren(...commands.map((command, i) => {
      const [argument, meaning] = panels.commands[command] ?? ["", ""];
      const item = element(
        "li",
        { role: "option", id: `suggestion-${i}`, "aria-selected": String(i === selected) },
        element("span", {}, `${command} `, element("small", {}, argument)),
        element("small", {}, meaning),
      );
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        accept(command);
      });
      return item;
    }));
    if (commands.length === 0) text.removeAttribute("aria-activedescendant");
    else text.setAttribute("aria-activedescendant", `suggestion-${selected}`);
  };
  /** Replaces a part of the text as typing does, so that it can be undone. */
  const insert = (inserted: string, start: number, end: number) => {
    text.focus();
    text.setSelectionRange(start, end);
    if (document.execCommand("insertText", false, inserted)) return;
    text.setRangeText(inserted, start, end, "end");
    setValue(text.value);
  };
  const accept = (command: string) => {
    const accepted = panels.commands[command]?.[0] === "" ? command : `${command} `;
    insert(accepted, 0, text.value.length);
    list.hidden = true;
  };

  const findCompletion = () => {
    const before = text.value.slice(0, text.selectionStart);
    const [, sign = "", typed = ""] = /(?:^|\s)([@#]?)([^\s@#]+)$/.exec(before) ?? [];
    const start = before.length - typed.length - sign.length;
    const matches = (name: string) => name.toLowerCase().startsWith(typed.toLowerCase());
    // The argument of /join is a room, with or without its sign.
    const isRoom = sign === "#" || /^\/join\s+\S+$/.test(before);
    const rooms = [...chat.rooms.keys()].filter((name) => !isPrivateRoom(name));
    const candidates = isRoom
      ? rooms.filter(matches).map((name) => `${sign}${name} `)
      : knownNames().filter(matches).sort().map((name) => `@${name} `);
    const isEmpty = typed === "" || candidates.length === 0;
    return isEmpty ? undefined : { candidates, start, index: -1 };
  };
  /** Returns the names of the other members, or of authors if a crowded room lists no members. */
  const knownNames = () => {
    const names = [...room()?.roster.members.values() ?? []];
    const known = names.length > 0 ? names : room()?.messages.map(({ from }) => from);
    return [...new Set(known)].filter((name) => name !== chat.username);
  };
  /** Completes the word before the cursor, or replaces the last completion with the next. */
  const complete = (): boolean => {
    const current = completion ?? findCompletion();
    if (current === undefined) return false;
    const { candidates, start } = current;
    current.index = (current.index + 1) % candidates.length;
    const word = candidates[current.index] ?? "";
    insert(word, start, text.selectionStart);
    completion = current;
    return true;
  };

  const writing = mountWriting(chat, { text, room, setValue, showFailure });

  document.addEventListener("keydown", (event) => {
    const step = event.altKey ? ["ArrowUp", "", "ArrowDown"].indexOf(event.key) - 1 : 0;
    if (Math.abs(step) !== 1) return;
    event.preventDefault();
    const rooms = [...document.querySelectorAll<HTMLElement>("#room-list button:not(.leave)")];
    const current = rooms.findIndex(({ ariaCurrent }) => ariaCurrent !== null);
    rooms.at((current + step) % rooms.length)?.click();
  });
  // Typing anywhere lands in the composer. A space scrolls, or presses a button.
  document.addEventListener("keydown", (event) => {
    const { key, target, altKey, ctrlKey, metaKey } = event;
    if (event.defaultPrevented || altKey || ctrlKey || metaKey || !(target instanceof Element)) {
      return;
    }
    if (byId<"div">("app").hidden || document.querySelector("dialog[open]") !== null) return;
    const isTyping = (key.length === 1 && key !== " " || key === "Dead") &&
      target.closest("input, textarea, select") === null;
    if (isTyping || key === "Escape" && target === document.body) text.focus();
  });
  text.addEventListener("paste", (event) => {
    const pasted = event.clipboardData?.getData("text/plain") ?? "";
    const hasFile = pasted === "" && event.clipboardData?.types.includes("Files");
    if (!hasFile && pasted.length <= splitMax * maxLength()) return;
    event.preventDefault();
    showFailure(() => hasFile ? panels.noFiles : panels.pasteTooLong(splitMax * maxLength()));
  });
  // The browser would open a dropped file in place of the page.
  for (const type of ["dragover", "drop"] as const) {
    addEventListener(type, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (type === "drop") showFailure(() => panels.noFiles);
    });
  }
  text.enterKeyHint = isTouch() ? "enter" : "send";
  // The text keeps the focus, and a phone its keyboard.
  byId<"button">("send").addEventListener("mousedown", (event) => event.preventDefault());

  return {
    writing,
    /** Called after the text has changed. */
    onChange(): void {
      completion = undefined;
      selected = 0;
      suggest();
      count();
    },
    /** Handles a key. Returns false if it has no meaning here. */
    handleKey({ key, shiftKey, altKey }: KeyboardEvent): boolean {
      // Alt and an arrow key switch rooms.
      if (altKey) return false;
      const commands = list.hidden ? [] : matchingCommands();
      const command = commands[selected];
      if (command === undefined) {
        if (key === "ArrowUp") return writing.editLast();
        if (key === "Escape") return writing.escape();
        if (key === "Enter") return !shiftKey && writing.explainEmpty();
        return key === "Tab" && !shiftKey && complete();
      }
      switch (key) {
        case "ArrowDown":
        case "ArrowUp":
          selected = (selected + (key === "ArrowDown" ? 1 : commands.length - 1)) % commands.length;
          suggest();
          return true;
        case "Escape":
          list.hidden = true;
          return true;
        case "Tab":
        case "Enter":
          if (shiftKey || (key === "Enter" && command === text.value)) return false;
          accept(command);
          return true;
        default:
          return false;
      }
    },
  };
}

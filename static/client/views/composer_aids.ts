// The parts of the composer that load after the page: suggestions, edits and replies, a character
// count, the splitting of long texts, the field's height, and keys for switching rooms.

import { privateBytesLeft } from "../../../app/protocol/sealed.ts";
import { codePointLength, isPrivateRoom } from "../../../app/protocol/text.ts";
import type { ChatClient } from "../state/chat_client.ts";
import { splitText } from "../state/splitting.ts";
import { panels } from "../words/language.ts";
import { button, byId, element, isTouch, setText } from "./dom.ts";
import { releaseFocus } from "./focus.ts";
import { isMac } from "./shortcuts.ts";
import { mountSuggestions } from "./suggestions.ts";
import { mountUndoHistory } from "./undo_history.ts";
import { mountWriting } from "./writing.ts";
import type { ComposerParts } from "./writing.ts";

/** The counter shows when fewer characters than this are left. */
const counterMin = 200;
/** Max messages that a long text is split into. */
const splitMax = 10;
/** Longer texts are inserted at once. Chromium types lines in quadratic time: 2,000 take 5 s. */
const insertedLinesMax = 100;
/** The part of the conversation that a page key scrolls. The rest stays in view. */
const pageShare = 0.875;

export type ComposerAids = ReturnType<typeof mountComposerAids>;

export function mountComposerAids(chat: ChatClient, parts: ComposerParts) {
  const { text, room, setValue, isInCodeBlock, showFailure } = parts;
  const hint = byId<"span">("composer-hint");

  const isPrivate = () => isPrivateRoom(room()?.name ?? "");
  const maxLength = () => chat.session.limits?.textMaxLength ?? Infinity;
  /** Returns the number of characters left for a text, or of bytes in a private room. */
  const lengthLeft = (text: string) =>
    isPrivate() ? privateBytesLeft(text.trimEnd()) : maxLength() - codePointLength(text.trimEnd());
  const count = () => {
    const left = lengthLeft(text.value);
    const isCounting = left < counterMin;
    const describe = isPrivate() ? panels.bytesLeft : panels.charactersLeft;
    setText(hint, isCounting ? describe(left) : panels.sendHint(isInCodeBlock()));
    hint.classList.toggle("count", isCounting);
    hint.classList.toggle("warning", left < 0);
    const pieces = left < 0 && !writing.isEditing ? piecesOf(text.value) : undefined;
    if (pieces === undefined) releaseFocus(splitLine);
    else setText(splitButton, panels.splitInto(pieces.length));
    splitLine.hidden = pieces === undefined;
  };
  /** Splits a text, without the slash that marks text which looks like a command. */
  const piecesOf = (text: string) =>
    splitText(
      text.replace(/^\s*\/(?=\/[a-z]+\s)/i, ""),
      splitMax,
      (piece) => lengthLeft(piece) >= 0,
    );
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
  /** Fits the height of the field to its text, in browsers without `field-sizing`. */
  const fit = () => {
    if (CSS.supports("field-sizing", "content")) return;
    const { scrollTop } = log;
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
    // While the field was short, the log was taller and may have scrolled.
    log.scrollTop = scrollTop;
  };
  // A hidden field has no height, and a narrower one needs more lines.
  new ResizeObserver(() => requestAnimationFrame(fit)).observe(text);
  const suggestions = mountSuggestions(chat, parts);
  const writing = mountWriting(chat, parts);
  const boundUndo = mountUndoHistory(text);

  const log = byId<"div">("log");
  /** Whether the chat can be used: it is shown, and no dialog covers it. */
  const isUsable = () =>
    !byId<"div">("app").hidden && document.querySelector("dialog[open]") === null;
  document.addEventListener("keydown", (event) => {
    const { key, altKey, ctrlKey, metaKey, shiftKey } = event;
    // With a second modifier, these keys select text on a Mac, and move through tables in screen
    // readers.
    const isPlain = altKey && !ctrlKey && !metaKey && !shiftKey;
    const step = isPlain ? ["ArrowUp", "", "ArrowDown"].indexOf(key) - 1 : 0;
    // In a dialog, Alt+↓ opens a list of choices.
    if (Math.abs(step) !== 1 || !isUsable()) return;
    event.preventDefault();
    const rooms = [...document.querySelectorAll<HTMLElement>("#room-list button:not(.leave)")];
    const current = rooms.findIndex(({ ariaCurrent }) => ariaCurrent !== null);
    rooms.at((current + step) % rooms.length)?.click();
  });
  /** Whether an event is outside of dialogs and fields. */
  const isElsewhere = (target: EventTarget | null) =>
    isUsable() && target instanceof Element &&
    target.closest("input, textarea, select") === null;
  // Typing anywhere lands in the composer. A space scrolls, or presses a button.
  document.addEventListener("keydown", (event) => {
    const { key, target, altKey, ctrlKey, metaKey, defaultPrevented } = event;
    if (defaultPrevented || altKey && !isMac || ctrlKey || metaKey || !isElsewhere(target)) return;
    const isTyping = key.length === 1 && key !== " " || key === "Dead";
    if (isTyping || key === "Escape") text.focus();
  });
  /** Inserts a text that was pasted or dropped elsewhere, unless it is too long. */
  const insert = (added: string) => {
    if (added === "" || refuseLong(added)) return;
    text.focus();
    if (added.split("\n").length <= insertedLinesMax) {
      document.execCommand("insertText", false, added);
      return;
    }
    text.setRangeText(added, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new InputEvent("input", { bubbles: true }));
  };
  /** Refuses a text that is too long even to be split. Returns whether it is. */
  const refuseLong = (added: string): boolean => {
    const max = splitMax * maxLength();
    if (added.length > max) showFailure(() => panels.pasteTooLong(max));
    return added.length > max;
  };
  /** Whether the last press was of the middle button, which on Linux also pastes the selection. */
  let isMiddle = false;
  addEventListener("mousedown", ({ button }) => isMiddle = button === 1);
  addEventListener("keydown", () => isMiddle = false);
  document.addEventListener("paste", (event) => {
    const { target, clipboardData } = event;
    // A middle click on a link opens it, and does nothing elsewhere.
    if (target !== text && (isMiddle || !isElsewhere(target))) return;
    const pasted = clipboardData?.getData("text/plain") ?? "";
    const hasFile = pasted === "" && clipboardData?.types.includes("Files");
    if (hasFile) showFailure(() => panels.noFiles);
    else if (target !== text) insert(pasted);
    else if (!refuseLong(pasted)) return;
    event.preventDefault();
  });
  // Text dragged within the page and dropped outside a field is dropped by accident.
  let isOwnDrag = false;
  addEventListener("dragstart", () => isOwnDrag = true);
  addEventListener("dragend", () => isOwnDrag = false);
  // The browser would open a dropped file or link in place of the page.
  for (const type of ["dragover", "drop"] as const) {
    addEventListener(type, (event) => {
      const { target, dataTransfer } = event;
      const hasFile = dataTransfer?.types.includes("Files");
      const isField = target instanceof Element && target.closest("input, textarea") !== null;
      if (isField && !hasFile) return;
      event.preventDefault();
      if (type === "dragover") return;
      if (hasFile) showFailure(() => panels.noFiles);
      else if (!isOwnDrag && isElsewhere(target)) insert(dataTransfer?.getData("text/plain") ?? "");
    });
  }
  text.enterKeyHint = isTouch() ? "enter" : "send";
  // The text keeps the focus, so a phone's keyboard stays open.
  byId<"button">("send").addEventListener("mousedown", (event) => event.preventDefault());

  return {
    writing,
    /** Called after the text has changed. */
    onChange(): void {
      boundUndo();
      suggestions.onChange();
      count();
      fit();
    },
    /** Handles a key. Returns false if it has no meaning here. */
    handleKey(event: KeyboardEvent): boolean {
      const { key, shiftKey, altKey, ctrlKey, metaKey } = event;
      // Alt and an arrow key switch rooms. On a Mac, Option+Enter starts a new line.
      if (altKey) return key === "Enter" && document.execCommand("insertText", false, "\n");
      if (suggestions.handleKey(event)) return true;
      const page = ["PageUp", "", "PageDown"].indexOf(key) - 1;
      // A text that fits doesn't need these keys. The conversation does.
      const isScrolling = Math.abs(page) === 1 && text.scrollHeight <= text.clientHeight;
      if (isScrolling && !shiftKey && !ctrlKey && !metaKey) {
        log.scrollTop += page * pageShare * log.clientHeight;
        return true;
      }
      if (key === "ArrowUp") return writing.editLast();
      if (key === "Escape") return writing.escape();
      return key === "Enter" && !shiftKey && writing.explainEmpty();
    },
  };
}

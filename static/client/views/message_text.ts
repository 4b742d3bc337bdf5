// Draws the formatted text of a message. Loads after the page.

import { addressOf, parsePath } from "../address.ts";
import type { Page } from "../page.ts";
import { isEmojiOnly, mentions, parseText } from "../state/formatting.ts";
import type { TextPart, TextReader } from "../state/formatting.ts";
import { NameHues } from "../state/name_hues.ts";
import { panels } from "../words/language.ts";
import { copyButton } from "./copying.ts";
import { button, element, setText } from "./dom.ts";
import { isIncomplete, linkIncomplete } from "./private_rooms.ts";
import { fullTime } from "./times.ts";

export type Formatter = ReturnType<typeof createFormatter>;

/** The beginning of a message, and its address. */
interface Quote {
  readonly text: string;
  readonly room: string;
  readonly offset: number;
}

/** The parts of a message that are drawn around its text. */
export interface Decorated {
  /** `undefined` if the message is deleted, or can't be verified. */
  readonly text?: string | undefined;
  readonly isUnverified?: boolean | undefined;
  /** When it was edited last. */
  readonly editedAt?: number;
  /** The beginning of the message that it replies to. */
  readonly quote?: Quote | undefined;
}

/** Longer messages fold. */
const foldedLines = 20;
const lineLength = 78;
/** Several lines without visible characters. */
const blankLines = /\n(?:[^\S\n]|[\p{Default_Ignorable_Code_Point}\u2800\n])*\n/gu;
/** Text whose characters stay within their line, unlike combining marks and rare symbols. */
const flat =
  /^[\s!-\u024f\u0370-\u0482\u048a-\u052f\u2010-\u2027\u3001-\u3029\u3041-\u3096\u30a1-\u30ff\u4e00-\u9fff\uac00-\ud7a3]*$/;
const tags = { bold: "strong", italic: "em", strike: "s", quote: "blockquote" } as const;

export function createFormatter(
  { chat, openRoom, showFailure }: Page,
  openMessage: (room: string, offset: number) => void,
) {
  /** Returns a link to a room, or to a message in it. */
  const roomLink = (
    { room, offset }: { readonly room: string; readonly offset?: number | undefined },
    children: readonly (Node | string)[],
    className?: string,
  ) => {
    const attributes = {
      href: addressOf(room, offset),
      class: className,
      dir: "auto",
      lang: "",
    };
    const link = element("a", attributes, ...children);
    link.addEventListener("click", (event) => {
      // With a modifier the browser opens a tab or window.
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      if (isIncomplete(chat, room)) showFailure(linkIncomplete);
      else if (offset === undefined) openRoom(room);
      else openMessage(room, offset);
    });
    return link;
  };
  /** Returns the room and the message of an address in this chat. */
  const roomOf = ({ origin, pathname, hash }: URL) => {
    const found = parsePath(pathname);
    // Device links carry a token, and links to private rooms a key. Only a page load reads those.
    const isHere = origin === location.origin && hash === "";
    return isHere && addressOf(found.room, found.offset) === pathname ? found : undefined;
  };
  const hues = new NameHues();
  const draw = (parts: readonly TextPart[]): (Node | string)[] => parts.map(drawPart);
  const drawPart = (part: TextPart): Node | string => {
    switch (part.kind) {
      case "text":
        return collapseBlankLines(part.text);
      case "code":
        return element("code", { translate: "no", dir: "ltr" }, part.text);
      case "mention":
        return element("strong", { translate: "no" }, part.text);
      case "room":
        return roomLink({ room: part.room }, [part.text]);
      case "link": {
        const room = roomOf(new URL(part.href));
        const children = draw(part.parts);
        if (room !== undefined) return roomLink(room, children);
        return element(
          "a",
          { href: part.href, dir: "auto", target: "_blank", rel: "noopener noreferrer nofollow" },
          ...children,
          part.host !== undefined && element("small", {}, ` (${part.host})`),
        );
      }
      case "block":
        return element(
          "div",
          { class: "block" },
          element("pre", { tabindex: 0, translate: "no", dir: "ltr" }, part.text),
          copyButton(() => part.text),
        );
      default:
        return element(
          tags[part.kind],
          { dir: part.kind === "quote" && "auto" },
          ...draw(part.parts),
        );
    }
  };

  return {
    mentions,
    isEmojiOnly,
    /** Whether a text may extend above or below its line. */
    isTall: (text: string) => !flat.test(text),
    /** Returns the hue of a name in degrees. */
    hueOf: (name: string) => hues.hueOf(name),
    /** Adds the quote of the message it replies to, and whether it was edited or deleted. */
    decorate(body: HTMLElement, { text, isUnverified, quote, editedAt }: Decorated): void {
      if (quote !== undefined) body.before(roomLink(quote, [quote.text], "quote"));
      if (text === undefined) {
        body.classList.add("deleted");
        body.prepend(isUnverified ? panels.unverified : panels.deleted);
      } else if (editedAt !== undefined) {
        const dateTime = new Date(editedAt).toISOString();
        const attributes = { class: "edited", datetime: dateTime, title: fullTime(editedAt) };
        body.append(" ", element("time", attributes, panels.edited));
      }
    },
    /** Draws a text. Long ones are folded. */
    draw(text: string, reader: TextReader): readonly (Node | string)[] {
      const nodes = draw(parseText(text, reader));
      const lines = lineCount(collapseBlankLines(text));
      return lines > foldedLines ? fold(nodes, lines) : nodes;
    },
  };
}

function collapseBlankLines(text: string): string {
  return text.replace(blankLines, "\n\n");
}

/** Returns about how many lines a text takes. */
function lineCount(text: string): number {
  return text.split("\n").reduce(
    (count, line) => count + Math.max(1, Math.ceil(line.length / lineLength)),
    0,
  );
}

/** Shows the start of the content, and a button for the rest. */
function fold(nodes: readonly (Node | string)[], lines: number): readonly HTMLElement[] {
  const content = element("div", { class: "folded" }, ...nodes);
  const toggle = button("", () => setFolded(!content.classList.contains("folded")), {
    class: "unfold",
  });
  const setFolded = (isFolded: boolean) => {
    content.classList.toggle("folded", isFolded);
    toggle.ariaExpanded = String(!isFolded);
    setText(toggle, isFolded ? panels.showAll(lines) : panels.showLess);
    toggle.dispatchEvent(new Event("fold", { bubbles: true }));
  };
  setFolded(true);
  // The browser's search scrolls to what it finds.
  content.addEventListener("scroll", () => setFolded(false));
  // Keyboard focus must not get lost in the hidden part.
  content.addEventListener("focusin", ({ target }) => {
    if (target instanceof Element && target.matches(":focus-visible")) setFolded(false);
  });
  return [content, toggle];
}

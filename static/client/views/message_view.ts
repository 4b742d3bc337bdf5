// Draws one message: author, time, formatted text, and whatever follows the text.

import { isEmojiOnly, parseMarkup } from "../state/formatting.ts";
import { locale } from "../words/language.ts";
import { copyButton, element } from "./dom.ts";

/** A message to draw. */
export interface MessageView {
  readonly from: string;
  readonly text: string;
  readonly at: number;
  /** Whether to show the author: the message starts a group. */
  readonly isStart: boolean;
  readonly isMention: boolean;
  readonly isPending: boolean;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const fullTime = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });

/** Returns the time of day in the reader's format. */
export function clockTime(at: number): string {
  return clock.format(at);
}

/** Draws a message. Mentions of `username` in its text are marked; `extra` follows the text. */
export function drawMessage(
  { from, text, at, isStart, isMention, isPending }: MessageView,
  username: string,
  extra?: HTMLElement,
): HTMLElement {
  const name = element("bdi", { class: "name" }, from);
  name.style.setProperty("--hue", String(hueOf(from)));
  const action = text.startsWith("/me ") ? text.slice(4) : undefined;
  const classes = [
    "text",
    isPending && "pending",
    isMention && "mention",
    action !== undefined && "emote",
    isEmojiOnly(text) && "large",
  ];
  const body = element(
    "div",
    { class: classes.filter(Boolean).join(" "), dir: "auto" },
    // An action starts with the name, which then isn't shown above it as well.
    ...action === undefined ? [] : [name, " "],
    ...drawText(action ?? text, username),
    extra,
  );
  return element(
    "article",
    { class: isStart ? "row start" : "row" },
    element("time", {
      datetime: new Date(at).toISOString(),
      title: fullTime.format(at),
      class: !isStart && "later",
    }, clockTime(at)),
    element("div", { class: "content" }, isStart && action === undefined && name, body),
  );
}

const tags = { bold: "strong", mention: "strong", italic: "em" } as const;

function drawText(text: string, username: string): (Node | string)[] {
  return parseMarkup(text, username).map((part) => {
    switch (part.kind) {
      case "text":
        return part.text;
      case "code":
        return element("code", {}, part.text);
      case "link":
        return element("a", {
          href: part.href,
          target: "_blank",
          rel: "noopener noreferrer nofollow",
        }, part.text);
      case "block":
        return element(
          "div",
          { class: "block" },
          element("pre", { tabindex: 0 }, part.text),
          copyButton(() => part.text),
        );
      default:
        return element(tags[part.kind], {}, part.text);
    }
  });
}

/** Returns the hue of a name, always the same for the same name (FNV-1a hash). */
function hueOf(name: string): number {
  let hash = 2166136261;
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  }
  return ((hash >>> 0) % 24) * 15;
}

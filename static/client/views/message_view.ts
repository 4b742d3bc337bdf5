// Draws one message: author, time, formatted text, and whatever follows the text.

import type { TextReader } from "../state/formatting.ts";
import { locale } from "../words/language.ts";
import { element } from "./dom.ts";
import type { Formatter } from "./message_text.ts";

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

/** Draws a message, as plain text without a formatter. `extra` follows the text. */
export function drawMessage(
  { from, text, at, isStart, isMention, isPending }: MessageView,
  reader: TextReader,
  formatter: Formatter | undefined,
  extra?: HTMLElement,
): HTMLElement {
  const name = element("bdi", { class: "name", translate: "no" }, from);
  name.style.setProperty("--hue", String(hueOf(from)));
  const action = text.startsWith("/me ") ? text.slice(4) : undefined;
  const shown = action ?? text;
  const classes = [
    "text",
    isPending && "pending",
    isMention && "mention",
    text.includes("\n") && "lines",
    action !== undefined && "emote",
    formatter?.isEmojiOnly(text) && "large",
  ];
  const body = element(
    "div",
    { class: classes.filter(Boolean).join(" "), dir: "auto" },
    // An action starts with the name, which then isn't shown above it as well.
    ...action === undefined ? [] : [name, " "],
    ...formatter?.draw(shown, reader) ?? [shown],
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

/** Returns the hue of a name, always the same for the same name (FNV-1a hash). */
function hueOf(name: string): number {
  let hash = 2166136261;
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  }
  return ((hash >>> 0) % 24) * 15;
}

// Draws one message: author, time, text, and extras such as its state.

import type { TextReader } from "../state/formatting.ts";
import type { Message } from "../state/message.ts";
import type { OutboxMessage } from "../state/outbox.ts";
import { element } from "./dom.ts";
import type { Decorated, Formatter } from "./message_text.ts";
import { clockTime, fullTime } from "./times.ts";

export interface MessageView extends Decorated {
  /** The message as it was when the row was drawn. */
  readonly message: Message | OutboxMessage;
  /** `undefined` while the message is in the outbox. */
  readonly offset?: number | undefined;
  readonly from: string;
  readonly at: number;
  /** Whether the message starts a group, and shows its author. */
  readonly isStart: boolean;
  readonly isMention: boolean;
}

const views = new WeakMap<Element, MessageView>();

/** Returns the message that an element of the conversation shows. */
export function viewOf(node: Element | undefined): MessageView | undefined {
  return node && views.get(node);
}

/** Draws a message; as plain text if there is no formatter. `extra` follows the text. */
export function drawMessage(
  view: MessageView,
  reader: TextReader,
  formatter: Formatter | undefined,
  extra?: HTMLElement,
): HTMLElement {
  const { offset, from, text = "", at, isStart, isMention } = view;
  const name = element("bdi", { class: "name", translate: "no" }, from);
  if (formatter) name.style.setProperty("--hue", String(formatter.hueOf(from)));
  const action = text.startsWith("/me ") ? text.slice(4) : undefined;
  const shown = action ?? text;
  const classes = [
    "text",
    offset === undefined && "pending",
    isMention && "mention",
    text.includes("\n") && "lines",
    action !== undefined && "emote",
    formatter?.isEmojiOnly(text) && "large",
  ];
  const body = element(
    "div",
    { class: classes.filter(Boolean).join(" "), dir: "auto", lang: "" },
    // An action starts with the name, so the name isn't shown above it.
    ...action === undefined ? [] : [name, " "],
    ...formatter?.draw(shown, reader) ?? [shown],
    extra,
  );
  const time = clockTime(at);
  const article = element(
    "article",
    {
      class: `row${isStart ? " start" : ""}${formatter?.isTall(from + text) ? " tall" : ""}`,
      "aria-label": `${from}, ${time}`,
    },
    element("time", {
      datetime: new Date(at).toISOString(),
      title: fullTime(at),
      class: !isStart && "later",
    }, time),
    // Every row names its author, for screen readers. Styles show it at the start of a group.
    element("div", { class: "content" }, action === undefined && name, body),
  );
  formatter?.decorate(body, view);
  views.set(article, view);
  return article;
}

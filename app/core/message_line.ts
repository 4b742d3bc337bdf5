// Formats a message as lines of text for people: in exports, and over HTTP.

import type { MessagePush } from "../protocol/wire.ts";

type Message = Pick<MessagePush, "at" | "from" | "text" | "editedAt">;

/** Everything that a program may show as a line break (Unicode Standard, section 5.8). */
const lineBreak = /[\n\v\f\u0085\u2028\u2029]/g;

/** Returns a message's lines, all but the first indented so that none can pass for a message. */
export function messageLine({ at, from, text, editedAt }: Message): string {
  const time = new Date(at).toISOString().slice(0, 19).replace("T", " ");
  // A colon follows the name only before a text, so that no text can pass for these remarks. Nor
  // can a name, since names have no brackets.
  if (text === undefined) return `${time} ${from} deleted this message\n`;
  const remark = editedAt === undefined ? ":" : " [edited]:";
  return `${time} ${from}${remark} ${text.replace(lineBreak, "\n    ")}\n`;
}

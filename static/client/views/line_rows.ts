// Rows between the messages: lines of text, and rules across.

import { element, withNames } from "./dom.ts";
import type { Row } from "./keyed_list.ts";

/** Returns a row with a line of text. */
export function lineRow(key: string, className: string, text: string): Row {
  const create = () => element("p", { class: className, dir: "auto" }, ...withNames(text));
  return { key, version: text, create };
}

/** Returns a row with a line across, and a text on it. */
export function ruleRow(key: string, className: string, text: string): Row {
  const attributes = { class: className, role: "separator", "aria-label": text };
  return { key, version: text, create: () => element("p", attributes, text) };
}

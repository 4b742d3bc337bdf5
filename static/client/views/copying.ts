// Copying to the clipboard.

import { panels } from "../words/language.ts";
import { button, setText } from "./dom.ts";

/** How long a button says whether it has copied. */
const resultMs = 2_000;

/** Creates a button that copies a text; `undefined` on plain http, where there is no clipboard. */
export function copyButton(text: () => string, className?: string): HTMLElement | undefined {
  if (navigator.clipboard === undefined) return undefined;
  const copy = button(panels.copy, async () => {
    setText(copy, await copyText(text()) ? panels.copied : panels.copyFailed);
    setTimeout(() => setText(copy, panels.copy), resultMs);
  }, { class: className });
  return copy;
}

/** Copies a text. Returns false if the browser doesn't allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

// Copying to the clipboard.

import { panels } from "../words/language.ts";
import { button, setText } from "./dom.ts";

/** How long a button says whether it has copied. */
const resultMs = 2_000;

/** Creates a button that copies a text. */
export function copyButton(text: () => string, className?: string): HTMLElement {
  const copy = button(panels.copy, async () => {
    setText(copy, await copyText(text()) ? panels.copied : panels.copyFailed);
    setTimeout(() => setText(copy, panels.copy), resultMs);
  }, { class: className });
  return copy;
}

/** Copies a text. Returns false if the browser doesn't allow it. */
export async function copyText(text: string): Promise<boolean> {
  try {
    // Pages on plain http have no `clipboard`.
    if (navigator.clipboard === undefined) return copyByCommand(text);
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Copies a text with `execCommand`, which copies the data that a `copy` listener sets. */
function copyByCommand(text: string): boolean {
  const listeners = new AbortController();
  const options = { capture: true, signal: listeners.signal };
  const onCopy = (event: ClipboardEvent) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    event.clipboardData?.setData("text/plain", text);
  };
  // Without a selection, Safari copies only if this event is canceled.
  addEventListener("beforecopy", (event) => event.preventDefault(), options);
  addEventListener("copy", onCopy, options);
  const isCopied = document.execCommand("copy");
  listeners.abort();
  return isCopied;
}

// The shortcut of the search, in every keyboard layout.

/** Whether shortcuts use the Command key. Then Option, reported as Alt, types characters. */
export const isMac = /^(Mac|iP)/.test(navigator.platform);

/** Returns the name of a shortcut on this system, given the one elsewhere. */
export function nameOfShortcut(name: string): string {
  return isMac ? name.replace(/^(Ctrl|Strg)\+/, "⌘") : name;
}

/** Whether an event is the shortcut: Ctrl+K, or ⌘K on a Mac, where Ctrl+K deletes text. */
export function isSearchShortcut(event: KeyboardEvent): boolean {
  const { key, code, ctrlKey, metaKey, shiftKey, altKey } = event;
  // Layouts of other scripts have no letter K, but its key.
  const isK = key.toLowerCase() === "k" || code === "KeyK" && !/^[a-z]$/i.test(key);
  return isK && (isMac ? metaKey : ctrlKey) && !shiftKey && !altKey;
}

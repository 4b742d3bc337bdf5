// Picks the page's language (the reader's first supported one, or English), and loads its words.

import { load, loadWithRetries } from "../load.ts";
import type { Problem } from "../state/problem.ts";
import type { PanelWords } from "./panel_words_en.ts";
import type { Words } from "./words_en.ts";

const languages = {
  en: { words: () => import("./words_en.ts"), panels: () => import("./panel_words_en.ts") },
  de: { words: () => import("./words_de.ts"), panels: () => import("./panel_words_de.ts") },
};

/** The reader's tag for the page's language, such as `de-AT`. Dates follow it. */
export const locale = navigator.languages.map(tagOf).find((tag) => isSupported(languageOf(tag))) ??
  "en";
const tag = languageOf(locale);
const language = isSupported(tag) ? tag : "en";

/** The words of the scripts that load after the page. Those wait for {@linkcode panelWords}. */
export let panels: PanelWords;

/** The words that the page needs at once. It waits for {@linkcode loadWords}. */
export let words: Words;

/** Loads the page's words and translates index.html. */
export async function loadWords(): Promise<void> {
  ({ words } = await loadWithRetries(() => load(languages[language].words)));
  translatePage();
}

/** Returns the sentence for a problem, once the words of the panels have loaded. */
export function problemText(problem: Problem): string {
  const text = panels.problems[problem.code] ?? problem.message;
  return typeof text === "string" ? text : text(problem);
}

export async function panelWords(): Promise<PanelWords> {
  return panels ??= (await load(languages[language].panels)).words;
}

/** Why an action failed: a problem, or a function that picks a text from the panels' words. */
export type Failure = Problem | ((words: PanelWords) => string);

export async function sentenceOf(failure: Failure): Promise<string> {
  try {
    const panels = await panelWords();
    return typeof failure === "function" ? failure(panels) : problemText(failure);
  } catch {
    const message = typeof failure === "function" ? "" : failure.message;
    return message || words.loadFailed;
  }
}

/** Converts a system locale, such as `en-US@posix`, to a language tag (BCP 47). */
function tagOf(locale: string): string {
  const tag = locale.replace(/[@.].*/, "");
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? "";
  } catch {
    return languageOf(tag);
  }
}

function languageOf(tag: string): string {
  return /^[a-z]+/i.exec(tag)?.[0].toLowerCase() ?? "";
}

function isSupported(language: string): language is keyof typeof languages {
  return Object.hasOwn(languages, language);
}

/** Replaces the English texts of index.html, in elements and in attributes. */
function translatePage(): void {
  const page: Readonly<Record<string, string>> = words.page;
  document.documentElement.lang = language;
  const path = "//body//text() | //body//@aria-label | //body//@placeholder";
  const found = document.evaluate(path, document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE);
  for (let i = 0; i < found.snapshotLength; i++) {
    const node = found.snapshotItem(i);
    const text = page[node?.nodeValue?.trim() ?? ""];
    if (node !== null && text !== undefined) node.nodeValue = text;
  }
}

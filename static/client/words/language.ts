// Which language the page speaks: the first of the reader's that there is, and English otherwise. Only that one is loaded.

import type { PanelWords } from "./panel_words_en.ts";
import type { Words } from "./words_en.ts";

const languages = {
  en: () => import("./words_en.ts"),
  de: () => import("./words_de.ts"),
};
const panelLanguages = {
  en: () => import("./panel_words_en.ts"),
  de: () => import("./panel_words_de.ts"),
};
type Language = keyof typeof languages;
/** By then the page stands and is connecting. */
const restAfterMs = 300;

const tag = navigator.languages.find((tag) => isKnown(languageOf(tag))) ?? "en";
const language = languageOf(tag);

/** The words of that language. */
export const { words }: { readonly words: Words } = isKnown(language)
  ? await languages[language]()
  : await languages.en();

/** The words of the panels in that language, when they are wanted. */
export async function panelWords(): Promise<PanelWords> {
  const { words } = await panelLanguages[isKnown(language) ? language : "en"]();
  return words;
}

/** Why something was not done: a sentence in English, or what the words for it make of it once they are loaded. */
export type Complaint = string | ((words: PanelWords) => string);

/** A complaint in that language. */
export async function sentenceOf(complaint: Complaint): Promise<string> {
  if (typeof complaint === "string") return words.problem(complaint);
  try {
    return complaint(await panelWords());
  } catch {
    return words.notLoaded;
  }
}

/** That language as the reader has it (`de-AT`), for dates and numbers. */
export const locale = tag;

translatePage();
setTimeout(() => words.loadRest().catch(() => {}), restAfterMs);

function languageOf(tag: string): string {
  return tag.split("-")[0]?.toLowerCase() ?? "";
}

function isKnown(language: string): language is Language {
  return Object.hasOwn(languages, language);
}

/** Puts the words of the page's file, which is in English, into the language. */
function translatePage(): void {
  const page: Readonly<Record<string, string>> = words.page;
  document.documentElement.lang = language;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data } = texts.currentNode as Text;
    const said = page[data.trim()];
    if (said !== undefined) (texts.currentNode as Text).data = data.replace(data.trim(), said);
  }
  for (const name of ["aria-label", "placeholder"]) {
    for (const node of document.querySelectorAll(`[${name}]`)) {
      const said = page[node.getAttribute(name) ?? ""];
      if (said !== undefined) node.setAttribute(name, said);
    }
  }
}

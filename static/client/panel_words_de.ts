// What the panels say, in German.

import type { PanelWords } from "./panel_words.ts";

/** The panels' words. */
export const words: PanelWords = {
  close: "Schließen",
  yourName: "Dein Name",
  change: "Ändern",
  signOut: "Den Chat verlassen",
  helpTitle: "Befehle und Tasten",
  keys: [
    ["Enter", "senden"],
    ["Umschalt+Enter", "neue Zeile"],
    ["Tab", "Namen oder Raum vervollständigen"],
    ["↑", "deine letzte Nachricht noch einmal"],
    ["*fett* _kursiv_ `Code`", "so schreibt man sie; ``` um Blöcke"],
  ],
};

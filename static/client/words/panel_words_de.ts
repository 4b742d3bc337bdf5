// What the panels, the list of commands and rare complaints say, in German.

import type { PanelWords } from "./panel_words_en.ts";

/** The panels' words. */
export const words: PanelWords = {
  close: "Schließen",
  title: "Du und diese Seite",
  yourName: "Dein Name",
  change: "Ändern",
  look: "Aussehen",
  theme: "Farben",
  themes: { system: "Wie das System", light: "Hell", dark: "Dunkel" },
  density: "Zeilen",
  densities: { roomy: "Weit", dense: "Dicht" },
  told: "Melden, wenn ich woanders hinsehe",
  tellMe: (room) => `Nachrichten in #${room}`,
  whens: { mention: "Erwähnungen", always: "Alle", never: "Keine" },
  sound: "Mit einem Ton",
  allow: "Benachrichtigungen erlauben",
  allowed: "Benachrichtigungen sind an.",
  blocked:
    "Dieser Browser lässt keine Benachrichtigungen dieser Seite zu: seine Einstellungen können es ändern.",
  device: "Dieses Gerät",
  another: "Diesen Namen auf einem anderen Gerät benutzen",
  linkIsYou: "Öffne diesen Link dort. Wer ihn hat, kann als du sprechen: zeig ihn sonst niemandem.",
  forget: "Dieses Gerät vergessen",
  forgetMeans:
    "Dein Name, deine Räume und was noch nicht gesendet ist, verschwinden aus diesem Browser. " +
    "Den Namen kann niemand benutzen, bis der Server ihn freigibt.",
  forgetNow: "Vergessen",
  keep: "Behalten",
  signOut: "Den Chat verlassen",
  adopt: (name, before) =>
    before === ""
      ? `Der Link, den du geöffnet hast, bringt den Namen ${name} in diesen Browser.`
      : `Der Link, den du geöffnet hast, bringt den Namen ${name} in diesen Browser, anstelle von ${before}, der hier dann vergessen ist.`,
  adoptLater:
    "Der Link, den du geöffnet hast, bringt einen anderen Namen. Nachrichten unter dem jetzigen sind " +
    "noch nicht gesendet: sende oder verwirf sie, dann öffne den Link noch einmal.",
  useName: (name) => `Hier ${name} sein`,
  helpTitle: "Befehle und Tasten",
  empty: "Hier hat noch niemand etwas gesagt. Fang an, oder teile die Adresse dieses Raums:",
  notPrivate: "Räume sind nicht privat: wer in den Chat kommt, kann alle lesen.",
  said: (from, room) => `${from} in #${room}`,
  onlyRoom: "Das ist der einzige Raum, in dem du bist: öffne erst einen anderen",
  notSentYet:
    "Nachrichten dieses Raums sind noch nicht gesendet: warte auf sie oder verwirf sie, dann geh",
  unknownCommand: (command) => `${command} gibt es nicht. /help zeigt, was es gibt.`,
  noRoom: (name) => `„${name}“ ist kein Raum: nimm a-z, 0-9 und -, höchstens 32 Zeichen`,
  tooManyRooms: "Du bist in 20 Räumen: verlass erst einen",
  replacedTab: "Dieses Gespräch läuft in einer neueren Verbindung dieser Seite weiter.",
  refused: (reason) =>
    `Der Server hat die Verbindung beendet${
      reason === "" ? "" : `: ${reason}`
    }. Lade die Seite neu, um es noch einmal zu versuchen.`,
  useHere: "Hier weitermachen",
  pasteTooLong: (most) =>
    `Das ist länger, als eine Nachricht sein kann (${
      most.toLocaleString("de")
    } Zeichen): verteile es auf mehrere`,
  commands: {
    "/nick": ["Name", "den Namen ändern"],
    "/join": ["Raum", "einen Raum öffnen"],
    "/leave": ["", "diesen Raum verlassen"],
    "/me": ["tut etwas", "sagen, was du tust"],
    "/who": ["", "zeigen, wer hier ist"],
    "/help": ["", "Befehle und Tasten zeigen"],
  },
  keys: [
    ["Enter", "senden"],
    ["Umschalt+Enter", "neue Zeile"],
    ["Tab", "Namen oder Raum vervollständigen"],
    ["↑", "deine letzte Nachricht noch einmal"],
    ["Alt+↑ Alt+↓", "durch die Räume gehen"],
  ],
  signs: [
    ["*Wort*", "fett"],
    ["_Wort_", "kursiv"],
    ["`Wort`", "Code"],
    ["```Worte```", "Zeilen von Code"],
  ],
};

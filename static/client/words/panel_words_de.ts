// German words that load after the page: panels, commands, and problems.

import type { Problem } from "../state/problem.ts";
import type { PanelWords } from "./panel_words_en.ts";

const language = "de";
const number = new Intl.NumberFormat(language);

/** Words that are not needed at first. */
export const words: PanelWords = {
  close: "Schließen",
  settings: "Einstellungen",
  yourName: "Dein Name",
  change: "Ändern",
  appearance: "Darstellung",
  theme: "Farben",
  themes: { system: "Wie das System", light: "Hell", dark: "Dunkel" },
  density: "Abstände",
  densities: { comfortable: "Komfortabel", compact: "Kompakt" },
  notifications: "Benachrichtigen, wenn ich weg bin",
  notifyAbout: (room) => `Nachrichten in #${room}`,
  notifyChoices: { mention: "Erwähnungen", always: "Alle", never: "Keine" },
  sound: "Ton abspielen",
  allowNotifications: "Benachrichtigungen erlauben",
  notificationsOn: "Benachrichtigungen sind an",
  notificationsBlocked: "Benachrichtigungen sind blockiert. " +
    "Erlaube sie in den Website-Einstellungen deines Browsers.",
  thisDevice: "Dieses Gerät",
  linkDevice: "Diesen Namen auf einem anderen Gerät nutzen",
  linkWarning: "Öffne diesen Link auf dem anderen Gerät. " +
    "Wer ihn hat, kann in deinem Namen schreiben. Behalte ihn für dich.",
  forgetDevice: "Dieses Gerät vergessen",
  forgetWarning: "Das entfernt deinen Namen, deine Räume und nicht gesendete Nachrichten aus " +
    "diesem Browser. Der Name bleibt reserviert, bis der Server ihn freigibt.",
  confirmForget: "Vergessen",
  cancel: "Abbrechen",
  signOut: "Abmelden",
  offerName: (name, before) =>
    `Den Namen ${name} in diesem Browser nutzen?${
      before === "" ? "" : ` Er ersetzt ${before}; dieser Browser vergisst ihn dann.`
    }`,
  offerNameLater: "Der geöffnete Link ist für einen anderen Namen, aber du hast noch nicht " +
    "gesendete Nachrichten. Sende oder verwirf sie, dann öffne den Link noch einmal.",
  continueAs: (name) => `Weiter als ${name}`,
  helpTitle: "Befehle und Tasten",
  emptyRoom: "Noch keine Nachrichten. Schreib etwas oder teile diesen Link:",
  notPrivate: "Räume sind nicht privat: Alle in diesem Chat können sie lesen.",
  notificationTitle: (from, room) => `${from} in #${room}`,
  onlyRoom: "Öffne erst einen anderen Raum, bevor du diesen verlässt.",
  unsentHere: "Hier sind noch Nachrichten nicht gesendet. Warte oder verwirf sie erst.",
  unknownCommand: (command) =>
    `${command} gibt es nicht. /help zeigt alle Befehle, /${command} sendet es als Text.`,
  connectedElsewhere: "Diese Seite ist anderswo verbunden.",
  connectionEnded: (reason) =>
    `Der Server hat die Verbindung beendet${
      reason === "" ? "" : `: ${reason}`
    }. Lade die Seite neu, um es noch einmal zu versuchen.`,
  reload: "Neu laden",
  signInAgain: "Neu anmelden",
  useHere: "Hier nutzen",
  pasteTooLong: (max) => `Mehr als ${number.format(max)} Zeichen. Teile den Text auf.`,
  commands: {
    "/nick": ["Name", "deinen Namen ändern"],
    "/join": ["Raum", "einen Raum öffnen oder anlegen"],
    "/leave": ["", "diesen Raum verlassen"],
    "/me": ["Handlung", "eine Handlung beschreiben"],
    "/who": ["", "zeigen, wer hier ist"],
    "/help": ["", "Befehle und Tasten zeigen"],
  },
  keys: [
    ["Enter", "senden"],
    ["Umschalt+Enter", "neue Zeile"],
    ["Tab", "Namen oder Raum vervollständigen"],
    ["↑", "deine letzte Nachricht zurückholen"],
    ["Alt+↑ Alt+↓", "Raum wechseln"],
  ],
  formatting: [
    ["*Wort*", "fett"],
    ["_Wort_", "kursiv"],
    ["~~Wort~~", "durchgestrichen"],
    ["> Wörter", "Zitat"],
    ["`Wort`", "Code"],
    ["```Wörter```", "Codeblock"],
  ],
  problems: {
    access_denied: "Falscher Zugangscode.",
    access_locked: (problem) => `Zu viele falsche Zugangscodes. ${retry(problem)}`,
    access_required: "Dieser Chat braucht einen Zugangscode.",
    address_full: "Zu viele Verbindungen aus deinem Netz. Versuch es später noch einmal.",
    connection_dropped: "Die Verbindung brach jedes Mal ab.",
    draining: "Der Server startet neu.",
    flooding: "Diese Seite hat zu viel auf einmal gesendet.",
    not_saved: "Der Speicher dieses Browsers ist voll. Lass diesen Tab offen, bis die Nachricht " +
      "gesendet ist.",
    origin_denied: "Die Adresse dieser Seite ist hier nicht erlaubt. " +
      "Wer den Chat betreibt, kann sie in ALLOWED_ORIGINS eintragen.",
    rate_limited: (problem) =>
      `${problem.re === "rename" ? "Du hast deinen Namen zu oft geändert" : "Zu viele Anfragen"}. ${
        retry(problem)
      }`,
    rename_offline: "Du kannst deinen Namen ändern, sobald du wieder online bist.",
    room_invalid: "Raumnamen bestehen aus a–z, 0–9 und Bindestrichen. Zum Beispiel: mein-raum.",
    storage_full: "Der Speicher dieses Chats ist voll. Bitte den Betreiber, Platz zu schaffen.",
    rooms_full: "Die Höchstzahl an Räumen ist erreicht. Öffne einen, den es schon gibt.",
    server_full: "Der Server ist voll. Versuch es später noch einmal.",
    sign_on_expired:
      "Deine Anmeldung bei dieser Website ist abgelaufen. Was du geschrieben hast, bleibt.",
    slow_consumer: "Dieses Gerät kam nicht nach.",
    storage_unavailable: "Der Speicher ist nicht erreichbar. Wird weiter versucht …",
    text_empty: "Schreib erst etwas.",
    text_too_long: "Eine Nachricht hat höchstens 4.000 Zeichen.",
    too_many_rooms: "Du bist in 20 Räumen, mehr geht nicht. Verlass erst einen.",
    upgrade_dropped: "Ein Proxy blockiert WebSockets. " +
      "Wer ihn betreibt, muss den Header Upgrade durchlassen.",
    username_characters:
      "Erlaubt sind Buchstaben, Ziffern, Leerzeichen, Apostrophe, Punkte, Binde- und Unterstriche.",
    username_empty: "Wähle einen Namen.",
    username_ends: "Beginne und ende mit einem Buchstaben oder einer Ziffer.",
    username_marks: "Zu viele Akzente auf einem Buchstaben.",
    username_mixed_scripts: "Nimm Buchstaben und Ziffern aus einer einzigen Schrift.",
    username_spaces: "Nur einzelne Leerzeichen.",
    username_taken: "Dieser Name ist vergeben. Wähle einen anderen.",
    username_too_long: "Ein Name hat höchstens 24 Zeichen.",
  },
};

function retry({ retryAfter = 0 }: Problem): string {
  const seconds = Math.ceil(retryAfter / 1000);
  const [unit, count] = seconds < 120 ? ["second", seconds] : ["minute", Math.ceil(seconds / 60)];
  const time = new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" });
  return `Versuch es in ${time.format(count)} noch einmal.`;
}

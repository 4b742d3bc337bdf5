// Every word that the page says, in German.

import type { Words } from "./words_en.ts";

const language = "de";
const number = new Intl.NumberFormat(language);
const list = new Intl.ListFormat(language, { type: "conjunction" });
const plural = new Intl.PluralRules(language);
const two = (count: number, one: string, many: string) =>
  plural.select(count) === "one" ? one : many;

/** Until it is loaded, English has to do. */
let translate = (sentence: string) => sentence;

/** The page's words. */
export const words: Words = {
  nameHint: "Andere sehen ihn neben dem, was du schreibst.",
  enter: (room) => `#${room} betreten`,
  here: (count) => `${number.format(count)} hier`,
  hereTitle: (count) => `Hier, ${number.format(count)}`,
  you: "(du)",
  crowded: "Zu viele für eine Liste.",
  kept: (days, messages) =>
    days > 0 && messages > 0
      ? `die letzten ${number.format(messages)} Nachrichten aus ${number.format(days)} ${
        two(days, "Tag", "Tagen")
      } bleiben`
      : days > 0
      ? `Nachrichten bleiben ${number.format(days)} ${two(days, "Tag", "Tage")}`
      : messages > 0
      ? `die letzten ${number.format(messages)} Nachrichten bleiben`
      : "Nachrichten bleiben",
  message: (room) => `Nachricht an #${room}`,
  send: "Enter sendet",
  sending: "wird gesendet",
  waiting: "wartet auf die Verbindung",
  slowDown: "wartet einen Moment: du bist schnell",
  retry: "Noch einmal",
  sendNow: "Jetzt senden",
  edit: "Ändern",
  discard: "Verwerfen",
  old: "vor über einem Tag geschrieben, nicht gesendet",
  failed: (why) => `nicht gesendet: ${why}`,
  newSince: (time) => time === "" ? "Neu" : `Neu seit ${time}`,
  newMessages: (count) => `${number.format(count)} neue ${two(count, "Nachricht", "Nachrichten")}`,
  toEnd: "Zum Neuesten",
  loadingOlder: "Ältere Nachrichten werden geladen",
  missing: (count) =>
    `${number.format(count)} ${
      two(count, "Nachricht fehlt", "Nachrichten fehlen")
    } hier: nach oben rollen lädt sie`,
  replaced: "Der Raum ist auf einem früheren Stand: was du vorher sahst, kann fehlen",
  pruned: "Ältere Nachrichten werden nicht mehr aufbewahrt",
  beginning: (room) => `Hier beginnt #${room}.`,
  joined: (names) => `${people(names)} ${two(names.length, "ist", "sind")} gekommen`,
  left: (names) => `${people(names)} ${two(names.length, "ist", "sind")} gegangen`,
  timeout: (names) =>
    `${people(names)} ${two(names.length, "hat", "haben")} die Verbindung verloren`,
  renamed: (from, to) => `${from} heißt jetzt ${to}`,
  typing: (names) =>
    names.length > 3
      ? "Mehrere schreiben gerade"
      : `${list.format(names)} ${two(names.length, "schreibt", "schreiben")}`,
  connecting: "Verbinde",
  notConnected: "nicht verbunden",
  offline: "Du bist offline. Was du schreibst, wird gesendet, wenn das Netz wieder da ist.",
  reconnecting: (seconds, problem) =>
    `${problem === undefined ? "" : `${problem}. `}Neuer Versuch in ${seconds} s`,
  noAnswer: "Der Server antwortet nicht. Diese Seite versucht es weiter.",
  tryNow: "Jetzt versuchen",
  charactersLeft: (count) =>
    count >= 0 ? `noch ${number.format(count)}` : `${number.format(-count)} zu viel`,
  copy: "Kopieren",
  copied: "Kopiert",
  notLoaded: "Das ließ sich nicht laden: versuch es, wenn die Verbindung wieder da ist",
  async loadRest() {
    ({ translate } = await import("./problems_de.ts"));
  },
  problem: (sentence) => translate(sentence),
  page: {
    "Your name": "Dein Name",
    "Access code": "Zugangscode",
    "Rooms": "Räume",
    "Open a room": "Raum öffnen",
    "People": "Leute",
    "Commands": "Befehle",
    "Message": "Nachricht",
    "Send": "Senden",
    "Close the panel": "Leiste schließen",
  },
};

function people(names: readonly string[]): string {
  if (names.length <= 3) return list.format(names);
  return `${names[0]}, ${names[1]} und ${number.format(names.length - 2)} andere`;
}

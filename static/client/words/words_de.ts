// German words that the page needs at once. Those for panels and problems load later, from
// panel_words_de.ts.

import type { Words } from "./words_en.ts";

const number = new Intl.NumberFormat("de");
const list = new Intl.ListFormat("de");
const pick = (count: number, one: string, many: string) => count === 1 ? one : many;

/** The page's words. */
export const words: Words = {
  nameHint: "So sehen dich die anderen.",
  enter: (room) => `#${room} betreten`,
  here: (count) => `${number.format(count)} hier`,
  hereNow: (count) => `Gerade hier: ${number.format(count)}`,
  you: "(du)",
  crowded: "Zu viele für eine Liste",
  retention: (days, messages) => {
    const last = `die letzten ${number.format(messages)} Nachrichten bleiben`;
    const time = `${number.format(days)} ${pick(days, "Tag", "Tage")}`;
    if (days > 0) {
      return messages > 0 ? `${last}, höchstens ${time}` : `Nachrichten bleiben ${time}`;
    }
    return messages > 0 ? last : "der Verlauf bleibt erhalten";
  },
  placeholder: (room) => `Nachricht an #${room}`,
  sendHint: "Mit Enter senden",
  sending: "Wird gesendet …",
  willSend: "Wird gesendet, sobald du wieder online bist",
  queued: "In der Warteschlange: du sendest gerade viel",
  retry: "Erneut senden",
  sendNow: "Jetzt senden",
  edit: "Bearbeiten",
  discard: "Verwerfen",
  stale: "Nicht gesendet. Vor über einem Tag geschrieben.",
  notSent: "Nicht gesendet.",
  newSince: (time) => time === "" ? "Neu" : `Neu seit ${time}`,
  newMessages: (count) => `${number.format(count)} neue ${pick(count, "Nachricht", "Nachrichten")}`,
  jumpToLatest: "Zum Neuesten",
  loadingOlder: "Ältere Nachrichten werden geladen …",
  missing: (count) =>
    `${number.format(count)} ${
      pick(count, "Nachricht ist", "Nachrichten sind")
    } nicht geladen. Scrolle nach oben, um sie zu laden.`,
  restored: "Dieser Raum kommt aus einem Backup; die letzten Nachrichten fehlen vielleicht",
  pruned: "Ältere Nachrichten werden nicht aufbewahrt",
  beginning: (room) => `Hier beginnt #${room}`,
  joined: (names) => `${people(names)} ${pick(names.length, "ist", "sind")} gekommen`,
  left: (names) => `${people(names)} ${pick(names.length, "ist", "sind")} gegangen`,
  timeout: (names) =>
    `${people(names)} ${pick(names.length, "hat", "haben")} die Verbindung verloren`,
  renamed: (from, to) => `${from} heißt jetzt ${to}`,
  typing: (names) =>
    names.length > 3
      ? "Mehrere schreiben …"
      : `${list.format(names)} ${pick(names.length, "schreibt", "schreiben")} …`,
  connecting: "Verbindung wird aufgebaut …",
  notConnected: "offline",
  offline: "Du bist offline. Nachrichten werden gesendet, sobald du wieder online bist.",
  reconnecting: (seconds, problem = "") => `${problem} Neuer Versuch in ${seconds} s`.trim(),
  unreachable: "Der Server ist nicht erreichbar. Neuer Versuch läuft …",
  tryNow: "Jetzt versuchen",
  charactersLeft: (count) =>
    count >= 0 ? `noch ${number.format(count)}` : `${number.format(-count)} zu viel`,
  showAll: (lines) => `Alles zeigen (${number.format(lines)} Zeilen)`,
  showLess: "Weniger zeigen",
  copy: "Kopieren",
  copied: "Kopiert",
  newVersion: "Es gibt eine neue Version dieser Seite.",
  loadFailed: "Das konnte nicht geladen werden. Versuch es noch einmal, wenn du online bist.",
  page: {
    "A chat. No account needed.": "Ein Chat, ganz ohne Konto.",
    "Your name": "Dein Name",
    "Access code": "Zugangscode",
    "Rooms": "Räume",
    "Join or create a room": "Raum öffnen",
    "People": "Leute",
    "Commands": "Befehle",
    "Message": "Nachricht",
    "Send": "Senden",
    "Close panel": "Leiste schließen",
  },
};

function people(names: readonly string[]): string {
  if (names.length <= 3) return list.format(names);
  return `${names[0]}, ${names[1]} und ${number.format(names.length - 2)} weitere`;
}

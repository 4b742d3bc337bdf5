// Every word that the page says, in German.

import type { Words } from "./words.ts";

const language = "de";
const number = new Intl.NumberFormat(language);
const list = new Intl.ListFormat(language, { type: "conjunction" });
const plural = new Intl.PluralRules(language);
const two = (count: number, one: string, many: string) =>
  plural.select(count) === "one" ? one : many;

/** The page's words. */
export const words: Words = {
  nameHint: "Andere sehen ihn neben dem, was du schreibst.",
  enter: (room) => `#${room} betreten`,
  entering: "Verbinde",
  here: (count) => `${number.format(count)} hier`,
  hereTitle: (count) => `Hier, ${number.format(count)}`,
  you: "(du)",
  crowded: "Zu viele für eine Liste.",
  kept: (days, messages) =>
    days > 0
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
  replaced:
    "Das Protokoll wurde auf einen früheren Stand gesetzt: was du vorher sahst, kann daraus verschwunden sein",
  pruned: "Ältere Nachrichten werden nicht mehr aufbewahrt",
  beginning: (room) => `Hier beginnt #${room}.`,
  empty: "Hier hat noch niemand etwas gesagt. Teile die Adresse dieser Seite, oder fang an.",
  unkept:
    "Dieser Browser bewahrt nichts auf: was noch nicht gesendet ist, geht mit der Seite verloren",
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
  connected: "verbunden",
  notConnected: "nicht verbunden",
  offline: "Du bist offline. Was du schreibst, wird gesendet, wenn das Netz wieder da ist.",
  reconnecting: (seconds, problem) =>
    `${problem === undefined ? "" : `${problem}. `}Neuer Versuch in ${seconds} s`,
  tryNow: "Jetzt versuchen",
  replacedTab: "Dieses Gespräch läuft in einer neueren Verbindung dieser Seite weiter.",
  refused: (reason) =>
    `Der Server hat die Verbindung beendet${
      reason === "" ? "" : `: ${reason}`
    }. Lade die Seite neu, um es noch einmal zu versuchen.`,
  useHere: "Hier weitermachen",
  left_: "Du bist gegangen.",
  roomHint: "Der Name eines Raums hat a-z, 0-9 und -, höchstens 32.",
  leaveRoom: (room) => `#${room} verlassen`,
  charactersLeft: (count) =>
    count >= 0 ? `noch ${number.format(count)}` : `${number.format(-count)} zu viel`,
  pasteTooLong: (most) =>
    `Das ist länger, als eine Nachricht sein kann (${
      number.format(most)
    } Zeichen): verteile es auf mehrere`,
  copy: "Kopieren",
  copied: "Kopiert",
  at: (time) => `um ${time}`,
  unknownCommand: (command) => `${command} gibt es nicht. /help zeigt, was es gibt.`,
  noRoom: (name) => `„${name}“ ist kein Raum: nimm a-z, 0-9 und -, höchstens 32 Zeichen`,
  tooManyRooms: "Du bist in 20 Räumen: verlass erst einen",
  close: "Schließen",
  yourName: "Dein Name",
  change: "Ändern",
  signOut: "Den Chat verlassen",
  helpTitle: "Befehle und Tasten",
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
    ["*fett* _kursiv_ `Code`", "so schreibt man sie; ``` um Blöcke"],
  ],
  problem(sentence) {
    for (const [english, german] of problems) {
      if (english.test(sentence)) return sentence.replace(english, german);
    }
    return sentence;
  },
  page: {
    "Your name": "Dein Name",
    "Others see it beside what you write.": "Andere sehen ihn neben dem, was du schreibst.",
    "Enter": "Betreten",
    "The chat needs JavaScript to talk to its server.":
      "Der Chat braucht JavaScript, um mit seinem Server zu sprechen.",
    "Rooms": "Räume",
    "Open a room": "Raum öffnen",
    "People": "Leute",
    "Here": "Hier",
    "Commands": "Befehle",
    "Message": "Nachricht",
    "Enter to send": "Enter sendet",
    "Send": "Senden",
    "Close the panel": "Leiste schließen",
  },
};

/** What the server and the shared rules say in English. */
const problems: readonly (readonly [RegExp, string])[] = [
  [/^(.*) is taken: choose another name$/, "$1 ist vergeben: wähle einen anderen Namen"],
  [/^Choose a name$/, "Wähle einen Namen"],
  [/^Keep a name to (\d+) characters or fewer$/, "Ein Name hat höchstens $1 Zeichen"],
  [
    /^Use letters, digits, spaces and _ - \. in a name$/,
    "Ein Name hat Buchstaben, Ziffern, Leerzeichen und _ - .",
  ],
  [
    /^Begin and end a name with a letter or a digit$/,
    "Ein Name beginnt und endet mit einem Buchstaben oder einer Ziffer",
  ],
  [
    /^Put only one space between the parts of a name$/,
    "Zwischen den Teilen eines Namens steht nur ein Leerzeichen",
  ],
  [
    /^Put at most three marks on a letter of a name$/,
    "Auf einem Buchstaben eines Namens stehen höchstens drei Zeichen",
  ],
  [
    /^Do not mix Latin with Cyrillic or Greek in a name$/,
    "Ein Name mischt Latein nicht mit Kyrillisch oder Griechisch",
  ],
  [/^Write something first$/, "Schreib erst etwas"],
  [/^Keep a message to (\d+) characters or fewer$/, "Eine Nachricht hat höchstens $1 Zeichen"],
  [/^Leave a room first: (\d+) is the most$/, "Verlass erst einen Raum: $1 sind das Höchste"],
  [
    /^The server keeps no further room: use one that exists$/,
    "Der Server nimmt keinen weiteren Raum auf: nimm einen, den es gibt",
  ],
  [
    /^Too many wrong access codes: try again in (.*)$/,
    "Zu viele falsche Zugangscodes: versuch es in $1 noch einmal",
  ],
  [
    /^Too many messages at once: try again in (.*)$/,
    "Zu viele Nachrichten auf einmal: weiter in $1",
  ],
  [/^Too many names: try again in (.*)$/, "Zu viele Namen: versuch es in $1 noch einmal"],
  [/^Too much at once: try again in (.*)$/, "Zu viel auf einmal: versuch es in $1 noch einmal"],
  [/^This chat asks for an access code$/, "Dieser Chat fragt nach einem Zugangscode"],
  [/^This is not the access code$/, "Das ist nicht der Zugangscode"],
  [
    /^The storage cannot be reached: it is tried again$/,
    "Der Speicher ist nicht zu erreichen: es wird noch einmal versucht",
  ],
  [
    /^Your name can be changed when the connection is back$/,
    "Dein Name lässt sich ändern, wenn die Verbindung wieder da ist",
  ],
  [
    /^The page comes from another origin than the chat: .*$/,
    "Die Seite kommt von einer anderen Adresse als der Chat: wer den Server betreibt, kann sie mit ALLOWED_ORIGINS zulassen",
  ],
  [
    /^A proxy between you and the chat takes the Upgrade header out of requests.*$/,
    "Ein Proxy zwischen dir und dem Chat lässt keine WebSockets durch: wer ihn betreibt, muss den Kopf Upgrade weitergeben",
  ],
  [
    /^The server is full(: try again later)?$/i,
    "Der Server ist voll: versuch es später noch einmal",
  ],
  [
    /^Too many connections from your address(: try again later)?$/i,
    "Zu viele Verbindungen von deiner Adresse: versuch es später noch einmal",
  ],
  [
    /^The server is about to restart(: try again later)?$/i,
    "Der Server startet gleich neu: versuch es später noch einmal",
  ],
];

function people(names: readonly string[]): string {
  if (names.length <= 3) return list.format(names);
  return `${names[0]}, ${names[1]} und ${number.format(names.length - 2)} andere`;
}

// German words that load after the page: panels, commands, and problems.

import type { Problem } from "../state/problem.ts";
import { endOf, formatsOf } from "./formats.ts";
import type { PanelWords } from "./panel_words_en.ts";

const { number, list, plural, people, duration, wait, dateTime } = formatsOf("de");
const others = (names: readonly string[]) => people(names, (count) => `und ${count} weitere`);
const retry = (problem: Problem) => `Versuch es in ${wait(problem)} noch einmal.`;
const banned = (until: number) => `Die Moderation hat dich bis ${dateTime(until)} gesperrt.`;
const roomRule = "Raumnamen bestehen aus a–z, 0–9 und Bindestrichen.";
const missing: Readonly<Record<string, string>> = {
  lift: "Diese Stummschaltung oder Sperre ist nicht in Kraft.",
  title: "Schreib erst eine Nachricht, dann kannst du dem Raum einen Titel geben.",
};

const tooOften: Readonly<Record<string, string>> = {
  rename: "Du hast deinen Namen zu oft geändert",
  title: "Der Titel wurde zu oft geändert",
};

export const words: PanelWords = {
  here: (count) => `${number(count)} hier`,
  hereNow: (count) => `Gerade hier: ${number(count)}`,
  you: "(du)",
  nameHint: "So sehen dich die anderen.",
  enter: (room) => `#${room} betreten`,
  typing: (names) =>
    names.length > 3
      ? "Mehrere schreiben …"
      : `${list(names)} ${names.length === 1 ? "schreibt" : "schreiben"} …`,
  reconnecting: (seconds, problem = "") => `${problem} Neuer Versuch in ${seconds} s`.trim(),
  offline: "Du bist offline. Nachrichten werden gesendet, sobald du wieder online bist.",
  unreachable: "Der Server ist nicht erreichbar. Neuer Versuch läuft …",
  tryNow: "Jetzt versuchen",
  connecting: "Verbindung wird aufgebaut …",
  showAll: (lines) => `Alles zeigen (${number(lines)} Zeilen)`,
  showLess: "Weniger zeigen",
  copy: "Kopieren",
  copied: "Kopiert",
  copyFailed: "Kopieren fehlgeschlagen",
  retention: (days, messages) => {
    const last = `die letzten ${number(messages)} Nachrichten bleiben`;
    const time = plural(days, "Tag", "Tage");
    if (days > 0) {
      return messages > 0 ? `${last}, höchstens ${time}` : `Nachrichten bleiben ${time}`;
    }
    return messages > 0 ? last : "der Verlauf bleibt erhalten";
  },
  sending: "Wird gesendet …",
  willSend: "Wird gesendet, sobald du wieder online bist",
  queued: "In der Warteschlange: Du sendest zu schnell",
  retry: "Erneut senden",
  sendNow: "Jetzt senden",
  edit: "Bearbeiten",
  edited: "bearbeitet",
  deleted: "Nachricht gelöscht",
  messageAt: (offset) => `Nachricht ${number(offset)}`,
  reply: "Antworten",
  copyLink: "Link kopieren",
  copyText: "Text kopieren",
  delete: "Löschen",
  more: "Mehr",
  actionsAbout: (name) => `Aktionen für ${name}`,
  hideMember: "Diese Person ausblenden …",
  hideMessages: "Nachrichten ausblenden",
  showMessages: "Nachrichten zeigen",
  hideHint: "Blendet ihre Nachrichten nur in diesem Browser aus. Die Person erfährt nichts davon.",
  hiddenPeople: "Ausgeblendet",
  hiddenMessage: "Ausgeblendete Nachricht",
  moderateMember: "Stummschalten, sperren, ausblenden …",
  moderation: "Moderation",
  moderatorCode: "Moderationscode",
  continue: "Weiter",
  howLong: "Wie lange",
  duration,
  mute: "Stummschalten",
  ban: "Sperren",
  banSweep: "Beim Sperren die Nachrichten der letzten Stunde löschen",
  banNetwork: (others) =>
    others === undefined
      ? "Auch das Netz sperren (nicht möglich)"
      : `Auch das Netz sperren (${plural(others, "weitere Person", "weitere Personen")})`,
  sanctionKinds: { mute: "Stumm", ban: "Gesperrt" },
  sanction: (until, by, others = 0) =>
    `bis ${dateTime(until)} von ${by}` +
    (others > 0 ? `, mit ${number(others)} anderen im selben Netz` : ""),
  lift: "Aufheben",
  titleOf: (room: string) => `Titel von #${room}`,
  setTitle: "Setzen",
  lockTitle: "Setzen und sperren",
  titleHint: "Einen gesperrten Titel kann nur die Moderation ändern. Ein leerer entfernt ihn.",
  allTitles: "Alle Titel dieses Raums",
  olderTitles: "Ältere Titel suchen",
  noTitles: "Kein Titel gefunden",
  noSanctions: "Niemand ist stummgeschaltet oder gesperrt.",
  confirmDelete: "Diese Nachricht für alle löschen?",
  messageHint: "Enter zeigt die Aktionen",
  actionsFor: (name, time) => `Nachricht von ${name}, ${time}`,
  editing: "Bearbeiten",
  emptyEdit: "Um die Nachricht zu entfernen, lösche sie.",
  escapeCancels: "Abbrechen mit Esc",
  replyingTo: (quote) => `Antwort an ${quote}`,
  discard: "Verwerfen",
  stale: "Nicht gesendet. Vor über einem Tag geschrieben.",
  notSent: "Nicht gesendet.",
  sendHint: (isCode) => isCode ? "Mit Strg+Enter senden" : "Mit Enter senden",
  charactersLeft: (count) => count >= 0 ? `noch ${number(count)}` : `${number(-count)} zu viel`,
  bytesLeft: (count) =>
    count >= 0 ? `noch ${number(count)} Bytes` : `${number(-count)} Bytes zu lang`,
  loadingOlder: "Ältere Nachrichten werden geladen …",
  loading: "Nachrichten werden geladen …",
  pruned: "Ältere Nachrichten sind nicht mehr vorhanden",
  beginning: (room) => `Hier beginnt #${room}`,
  restored: "Dieser Raum stammt aus einem Backup; die neuesten Nachrichten fehlen möglicherweise",
  missing: (count) =>
    `${plural(count, "Nachricht ist", "Nachrichten sind")} nicht geladen. ` +
    "Scrolle nach oben, um sie zu laden.",
  newerMessages: "Es gibt neuere Nachrichten",
  noMessage: "Diese Nachricht gibt es nicht mehr.",
  crowded: "Zu viele für eine Liste",
  notConnected: "offline",
  close: "Schließen",
  settings: "Einstellungen",
  yourName: "Dein Name",
  change: "Ändern",
  appearance: "Darstellung",
  theme: "Farbschema",
  themes: { system: "Wie das System", light: "Hell", dark: "Dunkel" },
  density: "Abstände",
  densities: { comfortable: "Komfortabel", compact: "Kompakt" },
  hours: "Uhrzeit",
  hourChoices: { system: "Wie das System", h12: "12 Stunden", h23: "24 Stunden" },
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
  forgetWarning: "Das entfernt deinen Namen, deine Räume und ungesendete Nachrichten aus " +
    "diesem Browser. Der Name bleibt reserviert, bis der Server ihn freigibt.",
  confirmForget: "Vergessen",
  cancel: "Abbrechen",
  signOut: "Abmelden",
  offerName: (name, before) =>
    `Den Namen ${name} in diesem Browser nutzen?` +
    (before && ` Er ersetzt ${before}, den dieser Browser dann vergisst.`),
  offerNameLater: "Der geöffnete Link ist für einen anderen Namen, aber du hast noch " +
    "ungesendete Nachrichten. Sende oder verwirf sie und öffne den Link dann noch einmal.",
  continueAs: (name) => `Weiter als ${name}`,
  helpTitle: "Befehle und Tasten",
  emptyRoom: "Noch keine Nachrichten. Schreib etwas oder teile diesen Link:",
  notPrivate: "Dieser Raum ist nicht privat: Alle in diesem Chat können ihn lesen.",
  privateRoom: "Privater Raum",
  incompleteRoom: "Privater Raum ohne Schlüssel",
  newPrivateRoom: "Neuer privater Raum",
  privately: "privat",
  roomLink: "Link zum Raum",
  roomLinkHint: "Wer diesen Link hat, kann hier lesen und schreiben. Zurücknehmen lässt er sich " +
    "nicht. Der Server kann die Nachrichten nicht lesen.",
  share: "Teilen",
  roomLabel: "Name in deiner Liste",
  emptyPrivateRoom: "Noch keine Nachrichten. Schreib etwas oder teile den Link.",
  needsHttps: "Private Räume brauchen https.",
  unverified: "Diese Nachricht lässt sich nicht überprüfen",
  searchedHere: "Der Server kann diesen Raum nicht durchsuchen. Nur geladene Nachrichten wurden " +
    "durchsucht.",
  takeAlong: "Private Räume mitnehmen:",
  newSince: (time) => time === "" ? "Neu" : `Neu seit ${time}`,
  newAbove: (count, isMore, since) =>
    `${isMore ? "Mehr als " : ""}${number(count)} neue${since && ` seit ${since}`} · Hinspringen`,
  markRead: "Als gelesen markieren",
  joined: (names) => `${others(names)} ${names.length === 1 ? "ist" : "sind"} gekommen`,
  left: (names) => `${others(names)} ${names.length === 1 ? "ist" : "sind"} gegangen`,
  timeout: (names) =>
    `${others(names)} ${names.length === 1 ? "hat" : "haben"} die Verbindung verloren`,
  renamed: (from, to) => `${from} heißt jetzt ${to}`,
  notificationTitle: (from, room) => `${from} in #${room}`,
  roomRule,
  roomInvalid: (similar) => `${roomRule} Zum Beispiel: ${similar || "mein-raum"}.`,
  openRoom: (room) => `#${room} öffnen`,
  search: "Suche",
  searchHint: "Nachrichten oder Räume finden",
  searchHelp: 'Wort, Wor*, "mehrere Wörter", from:Name, in:Raum',
  searching: "Suche läuft …",
  nothingFound: "Nichts gefunden",
  moreResults: "Mehr zeigen",
  searchOlder: "Ältere durchsuchen",
  searchedSince: (time: string) => `Nur Nachrichten seit ${time} wurden durchsucht`,
  allRooms: "Alle Räume",
  findRoom: "Raum finden oder anlegen",
  newRoom: "neuer Raum",
  noDirectory:
    "Dieser Chat listet seine Räume nicht auf. Gib einen Namen ein, um einen Raum zu öffnen.",
  notStored:
    "Dieser Browser speichert nichts für diese Seite: Dein Name gilt nur bis zum Neuladen.",
  thatsMe: "Das bin ich: Gerätelink nutzen",
  deviceLink: "Gerätelink",
  useDeviceLink:
    "Öffne auf einem Gerät mit diesem Namen die Einstellungen und wähle „Diesen Namen " +
    "auf einem anderen Gerät nutzen“. Öffne den Link hier oder füge ihn ein:",
  onlyRoom: "Öffne erst einen anderen Raum, bevor du diesen verlässt.",
  unsentHere: "Hier sind noch ungesendete Nachrichten. Warte oder verwirf sie erst.",
  unknownCommand: (command) =>
    `${command} gibt es nicht. /help zeigt alle Befehle, /${command} sendet es als Text.`,
  connectedElsewhere: "Diese Seite ist anderswo verbunden.",
  banned,
  connectionEnded: (reason) =>
    `Der Server hat die Verbindung beendet${reason && `: ${reason}`}. ` +
    "Lade die Seite neu, um es noch einmal zu versuchen.",
  jumpToLatest: "Zum Neuesten",
  newVersion: "Es gibt eine neue Version dieser Seite.",
  suggestions: "Vorschläge",
  away: "nicht\u00a0hier",
  closePanel: "Schließen",
  reload: "Neu laden",
  signInAgain: "Neu anmelden",
  useHere: "Hier nutzen",
  noFiles: "Dateien kann man hier nicht senden. Teile stattdessen einen Link darauf.",
  pasteTooLong: (max) => `Eingefügter Text darf höchstens ${number(max)} Zeichen haben.`,
  splitInto: (count) => `Als ${count} Nachrichten senden`,
  commands: {
    "/nick": ["Name", "deinen Namen ändern"],
    "/join": ["Raum", "einen Raum öffnen oder anlegen"],
    "/leave": ["", "diesen Raum verlassen"],
    "/me": ["Handlung", "eine Handlung beschreiben"],
    "/title": ["Titel", "diesem Raum einen Titel geben oder seine Titel zeigen"],
    "/moderate": ["", "den Chat moderieren"],
    "/who": ["", "zeigen, wer hier ist"],
    "/search": ["Wörter", "Nachrichten finden"],
    "/help": ["", "Befehle und Tasten zeigen"],
  },
  keys: [
    ["Enter", "senden"],
    ["Umschalt+Enter", "neue Zeile"],
    ["Strg+K", "suchen oder zu einem Raum springen"],
    ["Tab", "Namen oder Raum vervollständigen"],
    ["↑", "deine letzte Nachricht bearbeiten"],
    ["Umschalt+Tab ↑ ↓ Enter", "eine Nachricht und eine Aktion wählen"],
    ["Bild↑ Bild↓", "durch die Unterhaltung blättern"],
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
    access_required: "Für diesen Chat brauchst du einen Zugangscode.",
    address_full: "Zu viele Verbindungen aus deinem Netz. Versuch es später noch einmal.",
    connection_dropped: "Die Verbindung ist jedes Mal abgebrochen.",
    draining: "Der Server startet neu.",
    flooding: "Diese Seite hat zu viel auf einmal gesendet.",
    banned: (problem) => banned(endOf(problem)),
    moderator_denied: "Falscher Moderationscode.",
    moderator_locked: (problem) => `Zu viele falsche Codes. ${retry(problem)}`,
    muted: (problem) => `Die Moderation hat dich bis ${dateTime(endOf(problem))} stummgeschaltet.`,
    network_protected:
      "Dieses Netz lässt sich nicht sperren: Es ist unbekannt oder gehört zum Server, zu einem " +
      "Proxy oder zur Moderation.",
    not_saved: "Der Speicher dieses Browsers ist voll. Lass diesen Tab offen, bis die Nachricht " +
      "gesendet ist.",
    origin_denied: "Die Adresse dieser Seite ist hier nicht erlaubt. " +
      "Wer den Chat betreibt, kann sie in ALLOWED_ORIGINS eintragen.",
    link_incomplete:
      "Dieser Link ist unvollständig. Lass dir den ganzen Link geben, bis zum letzten Zeichen.",
    private_too_long: "Nachrichten in privaten Räumen dürfen höchstens 2.900 Bytes lang sein.",
    query_invalid: "Gib höchstens 10 Wörter ein und nach from: und in: gültige Namen.",
    rate_limited: (problem) =>
      `${tooOften[problem.re ?? ""] ?? "Zu viele Anfragen"}. ${retry(problem)}`,
    rename_offline: "Du kannst deinen Namen ändern, sobald du wieder online bist.",
    search_off: "Die Suche ist in diesem Chat ausgeschaltet.",
    storage_full: "Der Speicher dieses Chats ist voll. Wer den Chat betreibt, muss Platz schaffen.",
    edit_not_loaded: "Die Nachricht ließ sich nicht laden. Versuch es noch einmal.",
    edits_exhausted: "Diese Nachricht wurde schon 20-mal bearbeitet, öfter geht es nicht.",
    forbidden: ({ re }) =>
      re === "edit" || re === "delete"
        ? "Du kannst nur deine eigenen Nachrichten ändern."
        : "Das kann nur die Moderation.",
    not_found: ({ re = "" }) => missing[re] ?? "Diese Nachricht gibt es nicht mehr.",
    title_locked: "Die Moderation hat diesen Titel gesperrt.",
    title_invalid: "Titel haben 1 bis 60 sichtbare Zeichen.",
    rooms_full: "Die Höchstzahl an Räumen ist erreicht. Öffne einen, den es schon gibt.",
    server_full: "Der Server ist voll. Versuch es später noch einmal.",
    sign_on_expired:
      "Deine Anmeldung bei dieser Website ist abgelaufen. Was du geschrieben hast, bleibt.",
    slow_consumer: "Dieses Gerät kam nicht mehr hinterher.",
    storage_unavailable: "Der Speicher ist nicht erreichbar. Neuer Versuch läuft …",
    text_empty: "Schreib erst etwas.",
    text_too_long: "Nachrichten dürfen höchstens 4.000 Zeichen lang sein.",
    too_many_rooms: "Du bist in 20 Räumen, mehr geht nicht. Verlass erst einen.",
    upgrade_dropped: "Ein Proxy blockiert WebSockets. " +
      "Wer ihn betreibt, muss den Upgrade-Header durchlassen.",
    username_characters:
      "Erlaubt sind Buchstaben, Ziffern, Leerzeichen, Apostrophe, Punkte, Binde- und Unterstriche.",
    username_empty: "Wähle einen Namen.",
    username_ends: "Am Anfang und am Ende muss ein Buchstabe oder eine Ziffer stehen.",
    username_marks: "Zu viele Akzente auf einem Buchstaben.",
    username_mixed_scripts: "Verwende Buchstaben und Ziffern aus nur einer Schrift.",
    username_spaces: "Nur einzelne Leerzeichen, keine doppelten.",
    username_taken: "Dieser Name ist vergeben. Wähle einen anderen.",
    username_too_long: "Namen dürfen höchstens 24 Zeichen lang sein.",
  },
};

// German words for the problems that a person can encounter by opening an address.

import type { ProblemCode } from "../protocol/wire.ts";

/** Describes each problem and its remedy. The last sentence has no period. */
interface ProblemWords {
  readonly title: string;
  readonly detail: string;
}

const unavailable = "Nicht verfügbar";

/** By code, without problems that only programs encounter. */
export const problemWordsDe: Readonly<Partial<Record<ProblemCode, ProblemWords>>> = {
  access_required: {
    title: "Kein Zugang",
    detail: "Für diesen Chat brauchst du einen Zugangscode. Öffne den Chat und gib ihn dort ein",
  },
  address_full: {
    title: unavailable,
    detail: "Von deiner Adresse gibt es zu viele Verbindungen. Versuch es später noch einmal",
  },
  draining: {
    title: unavailable,
    detail: "Der Server startet gerade neu. Versuch es gleich noch einmal",
  },
  field_invalid: {
    title: "Ungültige Adresse",
    detail: "Eine Angabe in dieser Adresse ist ungültig. Öffne stattdessen den Chat",
  },
  host_denied: {
    title: "Unbekannte Adresse",
    detail: "Der Chat kennt diese Adresse nicht. Wer ihn betreibt, kann sie in ALLOWED_HOSTS " +
      "eintragen oder TRUST_PROXY setzen, wenn ein eigener Proxy sie weiterleitet",
  },
  internal: {
    title: "Serverfehler",
    detail: "Auf dem Server ist ein Fehler aufgetreten. Versuch es später noch einmal",
  },
  local_only: {
    title: "Kein Zugang",
    detail: "Diese Seite ist nur vom Rechner des Servers aus oder mit METRICS_TOKEN zugänglich",
  },
  method_not_allowed: {
    title: "Nicht möglich",
    detail: "Diese Adresse lässt sich so nicht aufrufen. Öffne stattdessen den Chat",
  },
  not_found: { title: "Nicht gefunden", detail: "Unter dieser Adresse gibt es nichts" },
  query_invalid: {
    title: "Ungültige Suche",
    detail: "Gib hinter q= höchstens 10 Wörter an und nach from: und in: gültige Namen",
  },
  rate_limited: {
    title: "Zu viele Anfragen",
    detail: "Von deiner Adresse kamen zu viele Anfragen. Versuch es gleich noch einmal",
  },
  room_invalid: {
    title: "Nicht gefunden",
    detail: "Raumnamen bestehen aus a–z, 0–9 und Bindestrichen",
  },
  search_off: {
    title: "Nicht gefunden",
    detail: "Die Suche ist in diesem Chat ausgeschaltet",
  },
  server_full: {
    title: unavailable,
    detail: "Der Server ist voll. Versuch es später noch einmal",
  },
  storage_unavailable: {
    title: unavailable,
    detail: "Der Speicher ist gerade nicht erreichbar. Versuch es gleich noch einmal",
  },
  token_required: {
    title: "Kein Zugang",
    detail: "Gib METRICS_TOKEN als Passwort an, mit einem beliebigen Namen",
  },
};

// German words that the page needs at once. Those for panels and problems load later, from
// panel_words_de.ts.

import type { Words } from "./words_en.ts";

const number = new Intl.NumberFormat("de");
const pick = (count: number, one: string, many: string) => count === 1 ? one : many;

export const words: Words = {
  leaveRoom: (room) => `#${room} verlassen`,
  placeholder: (room) => `Nachricht an #${room}`,
  newMessages: (count, isMore) => {
    const text = `${number.format(count)} neue ${pick(count, "Nachricht", "Nachrichten")}`;
    return isMore ? `Mehr als ${text}` : text;
  },
  loadFailed: "Das ließ sich nicht laden. Versuch es online noch einmal.",
  page: {
    "A chat. No account needed.": "Ein Chat, ganz ohne Konto.",
    "Your name": "Dein Name",
    "Access code": "Zugangscode",
    "Rooms": "Räume",
    "Join or create a room": "Raum öffnen",
    "All rooms": "Alle Räume",
    "People": "Leute",
    "Message": "Nachricht",
    "Messages": "Nachrichten",
    "Send": "Senden",
  },
};

// The `error` pushes of the hub, with a code and a sentence that say why a command is refused.

import { hubLimits, limits } from "../protocol/wire.ts";
import type { ErrorPush } from "../protocol/wire.ts";

/** Delay before a client retries because storage is unavailable. */
const storageRetryMs = 1_000;

export type About = Pick<ErrorPush, "re" | "nonce" | "room">;

/** The reasons that need no details. */
const sentences = {
  access_denied: "Wrong access code",
  access_required: "This chat needs an access code",
  already_greeted: "This connection has already said hello",
  edits_exhausted: `A message can be edited ${hubLimits.editsMax} times`,
  field_invalid: '"before" must be the `next` of results',
  forbidden: "You can change only your own messages",
  hello_required: "Say hello first",
  moderator_denied: "Wrong moderator code",
  network_protected:
    "This network cannot be banned: it is unknown, the server's own, a proxy's, or a moderator's",
  not_found: "This message no longer exists",
  search_off: "Search is turned off in this chat",
  rooms_full: "Room limit reached. Join an existing room",
  storage_full: "This chat's storage is full. Its operator must free up space",
  title_locked: "A moderator has locked this title",
  username_empty: "Choose a name: this token holds none",
  too_many_rooms: `You're in ${limits.roomsPerSession} rooms, the maximum. Leave one first`,
};

/** The `not_found` text of commands whose target is not a message. */
const missing: Readonly<Record<string, string>> = {
  lift: "No mute or ban with this ID is in force",
  title: "Write a message before you give this room a title",
};

/** The `forbidden` text of commands that are not about messages. */
const forbidden: Readonly<Record<string, string>> = {
  ban: "You cannot ban yourself",
  title: "Only moderators can do this",
};

export function refusal(about: About, code: keyof typeof sentences): ErrorPush {
  const reasons = code === "not_found" ? missing : code === "forbidden" ? forbidden : {};
  const message = reasons[about.re] ?? sentences[code];
  return { type: "error", ...about, code, message };
}

/** Returns the error for too many wrong codes; `retryAfter` in ms. */
export function codeLocked(re: "hello" | "moderate", retryAfter: number): ErrorPush {
  const message = `Too many wrong codes. Try again in ${inSeconds(retryAfter)}`;
  const code = re === "hello" ? "access_locked" : "moderator_locked";
  return { type: "error", re, code, message, retryAfter };
}

/** Returns the error for a muted or banned member; `retryAfter` in ms. */
export function sanctioned(about: About, code: "muted" | "banned", retryAfter: number): ErrorPush {
  const message = `A moderator has ${code} you. This ends in ${inSeconds(retryAfter)}`;
  return { type: "error", ...about, code, message, retryAfter };
}

export function nameTaken(re: string, username: string): ErrorPush {
  const message = `${username} is taken. Choose another name`;
  return { type: "error", re, code: "username_taken", message };
}

export function notJoined(about: About & { readonly room: string }): ErrorPush {
  return { type: "error", ...about, code: "not_joined", message: `Join ${about.room} first` };
}

const rateProblems = {
  messages: "Sending too fast",
  renames: "You've changed your name too often",
  titles: "You've changed titles too often",
  bytes: "Too many requests",
  rooms: "Too many new rooms",
};

/** Returns the error for a used-up quota; `retryAfter` in ms. */
export function rateLimited(
  about: About,
  quota: keyof typeof rateProblems,
  retryAfter: number,
): ErrorPush {
  const message = `${rateProblems[quota]}. Try again in ${inSeconds(retryAfter)}`;
  return { type: "error", ...about, code: "rate_limited", message, retryAfter };
}

export function storageUnavailable(about: About): ErrorPush {
  const message = "Storage is unavailable. Retrying…";
  const retryAfter = storageRetryMs;
  return { type: "error", ...about, code: "storage_unavailable", message, retryAfter };
}

function inSeconds(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

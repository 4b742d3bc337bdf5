// The `error` pushes of the hub: why a command is refused, as a code and as a sentence.

import { limits } from "../protocol/wire.ts";
import type { ErrorCode, ErrorPush } from "../protocol/wire.ts";

/** When a client retries after storage was unavailable. */
const storageRetryMs = 1_000;

/** The command that is refused. */
export interface About {
  readonly re: string;
  readonly nonce?: string;
  readonly room?: string;
}

export function helloRequired(re: string): ErrorPush {
  return refusal({ re }, "hello_required", "Say hello first");
}

export function alreadyGreeted(): ErrorPush {
  return refusal({ re: "hello" }, "already_greeted", "This connection has already said hello");
}

export function accessRequired(): ErrorPush {
  return refusal({ re: "hello" }, "access_required", "This chat needs an access code");
}

export function accessDenied(): ErrorPush {
  return refusal({ re: "hello" }, "access_denied", "Wrong access code");
}

/** Too many wrong access codes; `retryAfter` in ms. */
export function accessLocked(retryAfter: number): ErrorPush {
  const message = `Too many wrong access codes. Try again in ${inSeconds(retryAfter)}`;
  return { ...refusal({ re: "hello" }, "access_locked", message), retryAfter };
}

export function nameTaken(re: string, username: string): ErrorPush {
  return refusal({ re }, "username_taken", `${username} is taken. Choose another name`);
}

export function tooManyRooms(room: string): ErrorPush {
  const message = `You're in ${limits.roomsPerSession} rooms, the maximum. Leave one first`;
  return refusal({ re: "join", room }, "too_many_rooms", message);
}

export function storageFull(about: About): ErrorPush {
  const message = "This chat's storage is full. Ask whoever runs it to make room.";
  return refusal(about, "storage_full", message);
}

export function roomsFull(about: About): ErrorPush {
  return refusal(about, "rooms_full", "Room limit reached. Join an existing room.");
}

export function notJoined(about: About & { readonly room: string }): ErrorPush {
  return refusal(about, "not_joined", `Join ${about.room} first`);
}

const rateProblems = {
  messages: "Sending too fast",
  renames: "You've changed your name too often",
  bytes: "Too many requests",
  rooms: "Too many new rooms",
};

/** A quota is used up; `retryAfter` in ms. */
export function rateLimited(
  about: About,
  quota: keyof typeof rateProblems,
  retryAfter: number,
): ErrorPush {
  const message = `${rateProblems[quota]}. Try again in ${inSeconds(retryAfter)}`;
  return { ...refusal(about, "rate_limited", message), retryAfter };
}

export function storageUnavailable(about: About): ErrorPush {
  const message = "Storage is unavailable. Retrying…";
  return { ...refusal(about, "storage_unavailable", message), retryAfter: storageRetryMs };
}

function refusal(about: About, code: ErrorCode, message: string): ErrorPush {
  return { type: "error", ...about, code, message };
}

function inSeconds(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

// The sentences with which the hub refuses a command, each one that a person can act on. No rules live here.

import { limits } from "../protocol/wire.ts";
import type { ErrorPush } from "../protocol/wire.ts";

/** When a client asks a storage again that did not answer. */
const storageRetryMs = 1_000;

/** The command that a refusal is about. */
export interface About {
  readonly re: string;
  readonly nonce?: string;
  readonly room?: string;
}

export function helloRequired(re: string): ErrorPush {
  return refusal({ re }, "hello_required", "Say hello first");
}

export function alreadyGreeted(): ErrorPush {
  return refusal({ re: "hello" }, "already_greeted", "This connection has said hello already");
}

export function accessDenied(isMissing: boolean): ErrorPush {
  const message = isMissing ? "This chat asks for an access code" : "This is not the access code";
  return refusal({ re: "hello" }, "access_denied", message);
}

export function nameTaken(re: string, username: string): ErrorPush {
  return refusal({ re }, "username_taken", `${username} is taken: choose another name`);
}

export function tooManyRooms(room: string): ErrorPush {
  const message = `Leave a room first: ${limits.roomsPerSession} is the most`;
  return refusal({ re: "join", room }, "too_many_rooms", message);
}

export function roomsFull(about: About): ErrorPush {
  const message = "The server keeps no further room: use one that exists";
  return refusal(about, "rooms_full", message);
}

export function notJoined(about: About & { readonly room: string }): ErrorPush {
  return refusal(about, "not_joined", `Join ${about.room} first`);
}

/** What a client can have had too much of. */
const excess = {
  messages: "Too many messages at once",
  names: "Too many names",
  codes: "Too many wrong access codes",
  bytes: "Too much at once",
};

/** There was too much of something; `retryAfter` in ms. */
export function rateLimited(
  about: About,
  what: keyof typeof excess,
  retryAfter: number,
): ErrorPush {
  const message = `${excess[what]}: try again in ${inSeconds(retryAfter)}`;
  return { ...refusal(about, "rate_limited", message), retryAfter };
}

export function storageUnavailable(about: About): ErrorPush {
  const message = "The storage cannot be reached: it is tried again";
  return { ...refusal(about, "storage_unavailable", message), retryAfter: storageRetryMs };
}

function refusal(about: About, code: ErrorPush["code"], message: string): ErrorPush {
  return { type: "error", ...about, code, message };
}

function inSeconds(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds === 1 ? "1 second" : `${seconds} seconds`;
}

// This browser's identity: the name, the token that proves it, and the access code.

import { readFields, writeJson } from "./storage.ts";
import type { KeyValue } from "./storage.ts";

/** The identity that a page signs in with. */
export interface Profile {
  /** The name to ask for; empty before the first visit. */
  readonly username: string;
  /** 32 random bytes in base64url. Anyone who has them is the member. */
  readonly token: string;
  /** The access code, on servers that ask for one. */
  readonly access?: string;
}

export const profileKey = "parley.profile";
const tokenPattern = /^[\w-]{43}$/;

export function isToken(value: unknown): value is string {
  return typeof value === "string" && tokenPattern.test(value);
}

/** Returns the stored profile, with an empty name and a `newToken()` if those are invalid. */
export function loadProfile(storage: KeyValue, newToken: () => string): Profile {
  const { username, token, access } = readFields<Profile>(storage, profileKey);
  const isKnown = isToken(token) && typeof username === "string" && username.length <= 256;
  return {
    username: isKnown ? username : "",
    token: isToken(token) ? token : newToken(),
    ...(typeof access === "string" && access.length <= 256 ? { access } : {}),
  };
}

export function saveProfile(storage: KeyValue, profile: Profile): void {
  writeJson(storage, profileKey, profile);
}

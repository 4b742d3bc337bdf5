// Tokens, public ids and random names: the only place where randomness and hashing for them live.

import { createHash, randomBytes } from "node:crypto";

/** A new token: 32 random bytes in base64url, 43 characters. Whoever has it is the member. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * The public id that stands for a token: 96 bits of its SHA-256, 16 characters of base64url. The same for the same token on any
 * node and after any loss of the database, and of no use for finding the token.
 */
export function memberOf(token: string): string {
  return createHash("sha256").update(`parley member ${token}`).digest("base64url").slice(0, 16);
}

/** A name that nobody has used: 72 random bits in base64url, 12 characters. */
export function randomName(): string {
  return randomBytes(9).toString("base64url");
}

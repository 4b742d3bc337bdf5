// Tokens, public ids and random names: the only place where randomness and hashing for them live.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

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

/** Tells whether a text is `secret`, in a time that says nothing of how much of it was right. */
export function matcherOf(secret: string): (text: string) => boolean {
  // Digests are equally long, and a guess cannot steer how much of them is equal.
  const digestOf = (text: string) => createHash("sha256").update(text).digest();
  const right = digestOf(secret);
  return (text) => timingSafeEqual(digestOf(text), right);
}

/** A name that nobody has used: 72 random bits in base64url, 12 characters. */
export function randomName(): string {
  return randomBytes(9).toString("base64url");
}

// Tokens, public ids, random names and secret comparison.

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { memoize } from "../protocol/memoize.ts";

/** Returns a new token: 32 random bytes as 43 base64url characters. Its holder is the member. */
export function newToken(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * Returns the public id of a token: 96 bits of its SHA-256 as 16 base64url characters. It is the
 * same on every node, survives a loss of the database, and does not reveal the token.
 */
export const memberOf = memoize((token) =>
  createHash("sha256").update(`parley member ${token}`).digest("base64url").slice(0, 16)
);

/** Returns a function that compares text with `secret` in constant time. */
export function matcherOf(secret: string): (text: string) => boolean {
  // Digests have equal lengths, and a guess cannot control how many of their bytes match.
  const digestOf = (text: string) => createHash("sha256").update(text).digest();
  const expected = digestOf(secret);
  return (text) => timingSafeEqual(digestOf(text), expected);
}

/** Returns a function that computes the HMAC-SHA-256 of a member's id, keyed with `secret`. */
export function macOf(secret: string): (member: string) => string {
  return (member) =>
    createHmac("sha256", secret).update(`parley moderator ${member}`).digest("base64url");
}

/** Returns a random name: 72 bits as 12 base64url characters. */
export function randomName(): string {
  return randomBytes(9).toString("base64url");
}

// A Bloom filter of nonces: recognizes new ones without asking SQLite.

/** Memory of a filter. Untouched pages of it take none. */
const bytes = 4 * 1024 * 1024;
/**
 * Bits set per nonce. After a million nonces, one new nonce in 5,000 seems known; after ten
 * million, one in three.
 */
const bitsPerNonce = 4;

/** A set of nonces that can err on one side: it may claim to have a nonce that it lacks. */
export class NonceFilter {
  readonly #bits = new Uint8Array(bytes);

  /** Adds a member's nonce in a room. */
  add(room: number, member: string, nonce: string): void {
    const { start, step } = hash(room, member, nonce);
    for (let i = 0, bit = start; i < bitsPerNonce; i++, bit += step) {
      const index = (bit >>> 3) % bytes;
      this.#bits[index] = (this.#bits[index] ?? 0) | 1 << (bit & 7);
    }
  }

  /** Returns false if the nonce was certainly not added. */
  mayHave(room: number, member: string, nonce: string): boolean {
    const { start, step } = hash(room, member, nonce);
    for (let i = 0, bit = start; i < bitsPerNonce; i++, bit += step) {
      if (((this.#bits[(bit >>> 3) % bytes] ?? 0) & 1 << (bit & 7)) === 0) return false;
    }
    return true;
  }
}

/** Returns the first bit of a nonce and the step to its next ones (FNV-1a and a variant). */
function hash(
  room: number,
  member: string,
  nonce: string,
): { readonly start: number; readonly step: number } {
  let [start, step] = [0x811c9dc5 ^ room, 0x9e3779b9 ^ room];
  // The members of a chat have ids of one length, so that no two keys are the same text.
  for (const part of [member, nonce]) {
    for (let i = 0; i < part.length; i++) {
      const unit = part.charCodeAt(i);
      start = Math.imul(start ^ unit, 0x01000193);
      step = Math.imul(step ^ unit, 0x85ebca6b);
    }
  }
  // FNV mixes only upwards.
  start ^= start >>> 15;
  step ^= step >>> 13;
  return { start: start >>> 0, step: (step >>> 0) | 1 };
}

// A Bloom filter of nonces: recognizes new ones without asking SQLite.

/** A hash of a room's id, a member and a nonce: two unsigned 32-bit integers. */
export interface NonceHash {
  readonly high: number;
  readonly low: number;
}

/** Returns the hash of a member's nonce in a room (FNV-1a and a variant). */
export function nonceHash(room: number, member: string, nonce: string): NonceHash {
  let [high, low] = [0x811c9dc5 ^ room, 0x9e3779b9 ^ room];
  // The members of a chat have ids of one length, so that no two keys are the same text.
  for (const part of [member, nonce]) {
    for (let i = 0; i < part.length; i++) {
      const unit = part.charCodeAt(i);
      high = Math.imul(high ^ unit, 0x01000193);
      low = Math.imul(low ^ unit, 0x85ebca6b);
    }
  }
  // FNV mixes only upwards.
  high ^= high >>> 15;
  low ^= low >>> 13;
  return { high: high >>> 0, low: low >>> 0 };
}

const minWords = 2 ** 20;
const maxWords = 2 ** 23;

/**
 * An approximate set of nonces. It has every added nonce. It also claims to have some of the
 * others, at most 1 in 500 while it has no more nonces than words. Each nonce sets four bits of one
 * word, so that it reads one cache line.
 */
export class NonceFilter {
  readonly #words: Int32Array;
  readonly #capacity: number;
  #count = 0;

  /** Creates a filter for `count` nonces, and as many later ones. Takes 4 to 32 MB. */
  constructor(count = 0) {
    const words = 2 ** Math.ceil(Math.log2(2 * count + 1));
    this.#words = new Int32Array(Math.min(Math.max(words, minWords), maxWords));
    this.#capacity = Math.max(this.#words.length, 2 * count);
  }

  /** Whether the filter holds more nonces than it was made for. */
  get isFull(): boolean {
    return this.#count >= this.#capacity;
  }

  add({ high, low }: NonceHash): void {
    const index = high & (this.#words.length - 1);
    this.#words[index] = (this.#words[index] ?? 0) | bitsOf(low);
    this.#count++;
  }

  /** Returns false if the nonce was certainly not added. */
  mayHave({ high, low }: NonceHash): boolean {
    const bits = bitsOf(low);
    return ((this.#words[high & (this.#words.length - 1)] ?? 0) & bits) === bits;
  }
}

/** Returns four bits, or fewer if some coincide. A shift uses the last five bits of its count. */
function bitsOf(low: number): number {
  return 1 << low | 1 << (low >>> 5) | 1 << (low >>> 10) | 1 << (low >>> 15);
}

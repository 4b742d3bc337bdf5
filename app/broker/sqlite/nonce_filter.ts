// A Bloom filter of nonces: recognizes new ones without asking SQLite.

/**
 * A hash of a room's id, a member and a nonce: two 32-bit integers. They are signed, because V8
 * allocates larger numbers.
 */
export interface NonceHash {
  readonly high: number;
  readonly low: number;
}

/** The secret of a database's hashes. Its words are random. */
export class NonceKey {
  readonly start: readonly [high: number, low: number];
  readonly factors: readonly [high: number, low: number];

  constructor([high = 0, low = 0, highFactor = 0, lowFactor = 0]: Iterable<number>) {
    this.start = [high, low];
    // Powers of a number that is 5 modulo 8 repeat as late as possible.
    this.factors = [highFactor & ~7 | 5, lowFactor & ~7 | 5];
  }
}

/**
 * Returns the hash of a member's nonce in a room (FNV-1a with secret constants). Without the key,
 * clients cannot choose nonces with the same hash, each of which costs a lookup of its entry.
 */
export function nonceHash(
  { start, factors }: NonceKey,
  room: number,
  member: string,
  nonce: string,
): NonceHash {
  let high = start[0] ^ room;
  let low = start[1] ^ room;
  const [highFactor, lowFactor] = factors;
  // Members' ids have the same length, so different pairs never give the same text.
  for (const part of [member, nonce]) {
    for (let i = 0; i < part.length; i++) {
      const unit = part.charCodeAt(i);
      high = Math.imul(high ^ unit, highFactor);
      low = Math.imul(low ^ unit, lowFactor);
    }
  }
  return { high: mixed(high), low: mixed(low) };
}

/** Lets each bit depend on all others (MurmurHash3). FNV mixes only upwards, and slowly. */
function mixed(hash: number): number {
  hash = Math.imul(hash ^ hash >>> 16, 0x85ebca6b);
  hash = Math.imul(hash ^ hash >>> 13, 0xc2b2ae35);
  return hash ^ hash >>> 16;
}

/** Words of a filter. Hashes are spread over them in the order of their upper bits. */
export const filterWords = 2 ** 18;

/**
 * An approximate set of nonces. It finds every added nonce, and wrongly finds fewer than 1 in
 * 10,000 others while it has no more nonces than words. Each nonce sets four bits in each of two
 * words of one cache line: the 16 words that the upper bits of its hash select.
 */
export class NonceFilter {
  readonly words: Int32Array<ArrayBuffer> = new Int32Array(filterWords);

  add({ high, low }: NonceHash): void {
    const line = high >>> 18 << 4;
    this.#set(line | high & 15, bitsOf(low));
    this.#set(line | high >>> 4 & 15, otherBitsOf(high, low));
  }

  #set(index: number, bits: number): void {
    this.words[index] = (this.words[index] ?? 0) | bits;
  }

  /** Returns false if the nonce was certainly not added. */
  mayHave({ high, low }: NonceHash): boolean {
    const line = high >>> 18 << 4;
    return (this.#missing(line | high & 15, bitsOf(low)) |
      this.#missing(line | high >>> 4 & 15, otherBitsOf(high, low))) === 0;
  }

  #missing(index: number, bits: number): number {
    return ~(this.words[index] ?? 0) & bits;
  }
}

/** Returns four bits that depend on parts of the hash used for nothing else. */
function otherBitsOf(high: number, low: number): number {
  return bitsOf(low >>> 20 | (high & 0x3ff00) << 4);
}

/** Returns four bits, or fewer if some coincide. A shift uses the last five bits of its count. */
function bitsOf(low: number): number {
  return 1 << low | 1 << (low >>> 5) | 1 << (low >>> 10) | 1 << (low >>> 15);
}

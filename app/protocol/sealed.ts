// The shape of sealed texts, which is all that the server can check in private rooms. SPEC.md, S1
// and S4; docs/private-rooms.md explains the format.

/** Max length of a private room's text before it is sealed, in bytes of UTF-8. */
export const privateTextMaxBytes = 2_900;

/** Returns the bytes left for a text in a private room; negative if it is too long. */
export function privateBytesLeft(text: string): number {
  return privateTextMaxBytes - new TextEncoder().encode(text).length;
}

/** The layout of a sealed text. Lengths are in bytes. */
export const sealedLayout = {
  version: 1,
  /** Version and revision. */
  headerLength: 2,
  ivLength: 12,
  tagLength: 16,
  /** The content is padded to one of these lengths. */
  buckets: [96, 192, 384, 768, 1536, 2970],
} as const;

/** Returns whether the version, length and characters of a text are those of a sealed one. */
export function isSealed(text: string): boolean {
  const { headerLength, ivLength, tagLength, buckets } = sealedLayout;
  const overhead = headerLength + ivLength + tagLength;
  // With the overhead, all buckets are multiples of 3, so base64 needs no padding.
  return buckets.some((bucket) => text.length === (bucket + overhead) / 3 * 4) &&
    // The first byte, which is the version, and four bits of the second.
    /^A[Q-Za-f][A-Za-z0-9_-]+$/.test(text);
}

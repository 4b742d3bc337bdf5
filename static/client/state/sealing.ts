// Seals and opens the texts of private rooms with WebCrypto. Pure: the page injects nothing but
// keys. docs/private-rooms.md describes the format.

import { isSealed, sealedLayout } from "../../../app/protocol/sealed.ts";
import { cleanText } from "../../../app/protocol/text.ts";
import { encode } from "./member_id.ts";
import { isToken } from "./profile.ts";

/** The name of a private room and the key of its texts, both derived from 32 bytes. */
export interface RoomKey {
  readonly room: string;
  readonly texts: CryptoKey;
}

/** The message that a sealed text belongs to. It opens nowhere else. */
export interface SealContext {
  readonly room: string;
  readonly member: string;
  /** Nonce of the message. Its edits are sealed with it too. */
  readonly nonce: string;
}

export interface SealedContent {
  /** How often the message has been edited, this edit included: 0 for a new message. */
  readonly revision: number;
  /** Nonce of the message that it replies to, or empty. */
  readonly answered: string;
  readonly text: string;
}

const { version, headerLength, ivLength, buckets } = sealedLayout;
const lengthBytes = 2;
const base32 = "abcdefghijklmnopqrstuvwxyz234567";
const nameLength = 30;
const utf8 = new TextEncoder();
type Bytes = Uint8Array<ArrayBuffer>;

/** Derives a room from a key in base64url. Returns `undefined` if that isn't 32 bytes. */
export async function deriveRoom(secret: string): Promise<RoomKey | undefined> {
  // Keys have the format of tokens: 32 bytes in base64url.
  if (!isToken(secret)) return undefined;
  const { subtle } = crypto;
  const base = await subtle.importKey("raw", decode(secret), "HKDF", false, [
    "deriveBits",
    "deriveKey",
  ]);
  const hkdf = (label: string) => ({
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(),
    info: utf8.encode(`parley private room ${label}`),
  });
  const name = new Uint8Array(await subtle.deriveBits(hkdf("name"), base, 152));
  const bits = Array.from(name, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const letters = bits.match(/.{5}/g)?.slice(0, nameLength).map((five) =>
    base32[parseInt(five, 2)]
  );
  const aes = { name: "AES-GCM", length: 256 };
  const texts = await subtle.deriveKey(hkdf("key"), base, aes, false, ["encrypt", "decrypt"]);
  return { room: `p-${letters?.join("")}`, texts };
}

/** Seals a text of at most `privateTextMaxBytes`. Only a test passes an `iv`. */
export async function seal(
  { texts }: RoomKey,
  context: SealContext,
  { revision, answered, text }: SealedContent,
  iv: Bytes = crypto.getRandomValues(new Uint8Array(ivLength)),
): Promise<string> {
  const content = utf8.encode(`${answered}\n${text}`);
  const length = lengthBytes + content.length;
  const padded = new Uint8Array(buckets.find((bucket) => bucket >= length) ?? 0);
  new DataView(padded.buffer).setUint16(0, content.length);
  padded.set(content, lengthBytes);
  const encrypted = await crypto.subtle.encrypt(parameters(context, revision, iv), texts, padded);
  return encode([version, revision, ...iv, ...new Uint8Array(encrypted)]);
}

/** Opens a sealed text. Returns `undefined` if it belongs elsewhere, or isn't clean (M2). */
export async function open(
  { texts }: RoomKey,
  context: SealContext,
  sealed: string,
): Promise<SealedContent | undefined> {
  if (!isSealed(sealed)) return undefined;
  const bytes = decode(sealed);
  const [, revision = 0] = bytes;
  const start = headerLength + ivLength;
  try {
    const padded = await crypto.subtle.decrypt(
      parameters(context, revision, bytes.subarray(headerLength, start)),
      texts,
      bytes.subarray(start),
    );
    const content = new Uint8Array(padded, lengthBytes, new DataView(padded).getUint16(0));
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const [, answered = "", text = ""] = /^([\w-]{0,36})\n([^]*)$/.exec(decoder.decode(content)) ??
      [];
    const cleaned = cleanText(text);
    return cleaned.ok && cleaned.value === text ? { revision, answered, text } : undefined;
  } catch {
    return undefined;
  }
}

function parameters({ room, member, nonce }: SealContext, revision: number, iv: Bytes) {
  const lines = [`parley private ${version}`, room, member, nonce, revision];
  return { name: "AES-GCM", iv, additionalData: utf8.encode(lines.join("\n")) };
}

function decode(text: string): Bytes {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

// The format of private rooms: the page's WebCrypto code, checked against node:crypto.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createDecipheriv, createHash, hkdfSync } from "node:crypto";
import { isSealed, privateTextMaxBytes } from "../../../app/protocol/sealed.ts";
import { limits } from "../../../app/protocol/wire.ts";
import { memberOf } from "../../../static/client/state/member_id.ts";
import { deriveRoom, open, seal } from "../../../static/client/state/sealing.ts";
import type { SealContext } from "../../../static/client/state/sealing.ts";
import vectors from "./private_room_vectors.json" with { type: "json" };

const found = await deriveRoom(vectors.secret);
assert(found !== undefined);
const key = found;

/** Opens a sealed text as docs/private-rooms.md says, with node:crypto alone. */
function openWithNode({ room, member, nonce }: SealContext, sealed: string) {
  const bytes = Buffer.from(sealed, "base64url");
  const revision = bytes.readUInt8(1);
  const derived = hkdfSync(
    "sha256",
    Buffer.from(vectors.secret, "base64url"),
    "",
    "parley private room key",
    32,
  );
  const decipher = createDecipheriv("aes-256-gcm", Buffer.from(derived), bytes.subarray(2, 14));
  const lines = ["parley private 1", room, member, nonce, String(revision)];
  decipher.setAAD(Buffer.from(lines.join("\n")));
  decipher.setAuthTag(bytes.subarray(-16));
  const padded = Buffer.concat([decipher.update(bytes.subarray(14, -16)), decipher.final()]);
  const [answered, ...text] = padded.subarray(2, 2 + padded.readUInt16BE(0)).toString().split("\n");
  return { revision, answered, text: text.join("\n") };
}

Deno.test("deriveRoom() gives the room's name, as node:crypto does [S3]", async () => {
  assertEquals(key.room, vectors.room);
  const name = hkdfSync(
    "sha256",
    Buffer.from(vectors.secret, "base64url"),
    "",
    "parley private room name",
    19,
  );
  let bits = BigInt(`0x${Buffer.from(name).toString("hex")}`) >> 2n;
  let letters = "";
  for (let i = 0; i < 30; i++, bits >>= 5n) {
    letters = "abcdefghijklmnopqrstuvwxyz234567".charAt(Number(bits & 31n)) + letters;
  }
  assertEquals(vectors.room, `p-${letters}`);
  for (const secret of ["", vectors.secret.slice(1), `${vectors.secret}A`, `${"A".repeat(42)}=`]) {
    assertEquals(await deriveRoom(secret), undefined, secret);
  }
});

Deno.test("seal() writes the vectors, and open() and node:crypto read them [S4] [S5]", async () => {
  for (const { what, room, member, nonce, sealed, iv, ...content } of vectors.opens) {
    const context = { room, member, nonce };
    assertEquals(await seal(key, context, content, Uint8Array.fromHex(iv)), sealed, what);
    assertEquals(await open(key, context, sealed), content, what);
    assertEquals(openWithNode(context, sealed), content, what);
    assert(isSealed(sealed), what);
  }
});

Deno.test("seal() takes a new nonce each time, and hides the text's length [S4]", async () => {
  const context = { room: key.room, member: "m", nonce: "n" };
  const texts = ["a", "a", "a longer one"].map((text) => ({ revision: 0, answered: "", text }));
  const sealed = await Promise.all(texts.map((content) => seal(key, context, content)));
  assertNotEquals(sealed[0], sealed[1]);
  assertEquals(sealed.map(({ length }) => length), [168, 168, 168]);
  assertEquals(sealed.map((text) => openWithNode(context, text)), texts);
});

Deno.test("a text of the max length fits the wire, with the longest nonce [M1] [S4]", async () => {
  const content = { revision: 20, answered: "n".repeat(36), text: "x".repeat(privateTextMaxBytes) };
  const context = { room: key.room, member: "m", nonce: "n" };
  const sealed = await seal(key, context, content);
  assertEquals(sealed.length, limits.textMaxLength);
  assertEquals(await open(key, context, sealed), content);
});

Deno.test("open() refuses altered, misplaced and unclean texts [S5] [S7]", async () => {
  for (const { what, room, member, nonce, sealed } of vectors.refused) {
    assertEquals(await open(key, { room, member, nonce }, sealed), undefined, what);
  }
});

Deno.test("open() refuses another room's key [S3]", async () => {
  const other = await deriveRoom("A".repeat(43));
  const [{ room, member, nonce, sealed } = { room: "", member: "", nonce: "", sealed: "" }] =
    vectors.opens;
  assert(other !== undefined);
  assertEquals(await open(other, { room, member, nonce }, sealed), undefined);
});

Deno.test("memberOf() gives the id that the server does [S6]", async () => {
  assertEquals(await memberOf(vectors.token), vectors.member);
  const digest = createHash("sha256").update(`parley member ${vectors.token}`).digest("base64url");
  assertEquals(vectors.member, digest.slice(0, 16));
});

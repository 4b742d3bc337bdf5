// Log entries as they are sent. Each is encoded once, however many sessions receive it.

import { utf8Length } from "../protocol/text.ts";
import type {
  DeletePush,
  EditPush,
  EntryPush,
  MessagePush,
  Position,
  TitlePush,
} from "../protocol/wire.ts";
import type { Entry } from "./broker.ts";

/** An entry encoded for the wire. */
export interface EncodedEntry {
  readonly type: Entry["type"];
  readonly offset: number;
  readonly epoch: string;
  /** The push as JSON. */
  readonly json: string;
  readonly bytes: number;
  /** Offset of the message that an edit with text belongs to; otherwise 0. */
  readonly target: number;
}

/** An entry that changes earlier ones. */
export type Amendment = EditPush | DeletePush;

/** Consecutive entries for one `room` push. */
export interface Slice {
  readonly entries: readonly EncodedEntry[];
  /** Whether they continue from the client's position. */
  readonly recovered: boolean;
  /** Number of messages between the client's position and the slice. */
  readonly missed: number;
  /** The position after the last entry. */
  readonly end: Position;
}

/** Encodes an entry; it carries its epoch only if that differs from `previousEpoch`. */
export function encodeEntry(entry: Entry, previousEpoch: string | undefined): EncodedEntry {
  const { type, offset, epoch } = entry;
  if (type !== "message" || entry.amended !== undefined || entry.reply !== undefined) {
    const { epoch: _, ...fields } = entry;
    return encode(epoch === previousEpoch ? fields : { ...fields, epoch }, epoch);
  }
  const { room, member, from, text, at, nonce } = entry;
  // Not a spread: copying takes longer than encoding.
  const push = epoch === previousEpoch
    ? { type, room, offset, member, from, text, at, nonce }
    : { type, room, offset, member, from, text, at, nonce, epoch };
  const json = JSON.stringify(push);
  return { type, offset, epoch, json, bytes: utf8Length(json), target: 0 };
}

function encode(push: EntryPush, epoch: string): EncodedEntry {
  const { type, offset } = push;
  const json = JSON.stringify(push);
  const target = push.type === "edit" && push.text !== undefined ? push.target : 0;
  return { type, offset, epoch, json, bytes: utf8Length(json), target };
}

/** Encodes consecutive entries; `previousEpoch` is that of the entry before the first, if known. */
export function encodeEntries(
  entries: readonly Entry[],
  previousEpoch: string | undefined,
): EncodedEntry[] {
  let epoch = previousEpoch;
  return entries.map((entry) => {
    const encoded = encodeEntry(entry, epoch);
    epoch = entry.epoch;
    return encoded;
  });
}

/** Returns the edits and deletions among encoded entries, in order. */
export function amendmentsIn(entries: readonly EncodedEntry[]): readonly Amendment[] {
  return entries.filter(({ type }) => type === "edit" || type === "delete")
    // This module has encoded it.
    .map(({ json }) => JSON.parse(json) as Amendment);
}

/**
 * Applies an edit or a deletion to the entries that it touches, and removes the text from earlier
 * edits. Returns how many bytes the entries have grown by.
 */
export function amend(entries: EncodedEntry[], amendment: Amendment): number {
  const isEdit = amendment.type === "edit";
  const targets = new Set(isEdit ? [amendment.target] : amendment.targets);
  let growth = 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry === undefined || entry.offset >= amendment.offset) break;
    if (!targets.has(entry.type === "edit" ? entry.target : entry.offset)) continue;
    // This module has encoded it.
    const push = JSON.parse(entry.json) as EntryPush;
    const amended = push.type === "edit"
      ? withoutText(push)
      : push.type === "delete"
      ? push
      : amendText(push, amendment);
    if (amended === push) continue;
    const encoded = entries[i] = encode(amended, entry.epoch);
    growth += encoded.bytes - entry.bytes;
  }
  return growth;
}

function amendText(push: MessagePush | TitlePush, amendment: Amendment): EntryPush {
  const { offset: amended, member, at } = amendment;
  // The log may have been read after the amendment.
  if ((push.amended ?? 0) >= amended) return push;
  if (amendment.type === "delete") {
    const { text: _text, editedAt: _editedAt, ...rest } = { editedAt: undefined, ...push };
    return { ...rest, amended, deletedBy: member };
  }
  // An edit without text is followed by a later amendment.
  const { text } = amendment;
  return text === undefined || push.type === "title"
    ? push
    : { ...push, text, amended, editedAt: at };
}

function withoutText(push: EditPush): EditPush {
  const { text: _, ...rest } = push;
  return rest;
}

/** Removes the text from edits of messages before `first`, which have been pruned. */
export function amendPruned(entries: readonly EncodedEntry[], first: number): EncodedEntry[] {
  return entries.map((entry) => {
    if (entry.target === 0 || entry.target >= first) return entry;
    return encode(withoutText(JSON.parse(entry.json) as EditPush), entry.epoch);
  });
}

/** Returns how many of the entries are messages. */
export function countMessages(entries: readonly EncodedEntry[]): number {
  return entries.reduce((count, { type }) => type === "message" ? count + 1 : count, 0);
}

/** Returns the entries as the elements of a JSON array, without the brackets. */
export function jsonElements(entries: readonly EncodedEntry[]): string {
  return entries.map(({ json }) => json).join(",");
}

/** Returns the bytes of the entries, commas included. */
export function byteLength(entries: readonly EncodedEntry[]): number {
  return entries.reduce((total, { bytes }) => total + bytes + 1, 0);
}

/** Returns the longest prefix of `entries` within `maxBytes`. */
export function prefixWithin(
  entries: readonly EncodedEntry[],
  maxBytes: number,
): readonly EncodedEntry[] {
  let bytes = 0;
  for (const [i, entry] of entries.entries()) {
    bytes += entry.bytes + 1;
    if (bytes > maxBytes) return entries.slice(0, i);
  }
  return entries;
}

/** Returns the slice that continues from `position`. */
export function sliceAfter(position: Position, entries: readonly EncodedEntry[]): Slice {
  const last = entries.at(-1);
  const end = last === undefined ? position : { epoch: last.epoch, offset: last.offset };
  return { entries, recovered: true, missed: 0, end };
}

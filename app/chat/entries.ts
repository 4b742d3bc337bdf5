// Log entries as they go over the wire. Each is encoded once, however many sessions it is sent to.

import { utf8Length } from "../protocol/text.ts";
import type { MessagePush, Position } from "../protocol/wire.ts";
import type { Entry } from "./broker.ts";

/** An entry encoded for the wire. */
export interface EncodedEntry {
  readonly offset: number;
  readonly epoch: string;
  /** The `message` push as JSON. */
  readonly json: string;
  readonly bytes: number;
}

/** Consecutive entries for one `room` push. */
export interface Slice {
  readonly entries: readonly EncodedEntry[];
  /** Whether they continue from the client's position. */
  readonly recovered: boolean;
  /** Entries between the client's position and the slice. */
  readonly missed: number;
  /** The position after the last entry. */
  readonly end: Position;
}

/** Encodes an entry; it carries its epoch only if that differs from `previousEpoch`. */
export function encodeEntry(entry: Entry, previousEpoch: string | undefined): EncodedEntry {
  const { offset, epoch } = entry;
  const push: MessagePush = {
    type: "message",
    room: entry.room,
    offset,
    member: entry.member,
    from: entry.from,
    text: entry.text,
    at: entry.at,
    nonce: entry.nonce,
    ...(epoch === previousEpoch ? {} : { epoch }),
  };
  const json = JSON.stringify(push);
  return { offset, epoch, json, bytes: utf8Length(json) };
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

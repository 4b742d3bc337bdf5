// The Lua scripts that run inside Redis, each of them atomic: their sources and the types of their
// calls. Nothing else writes to Redis.
//
// Keys, after the prefix:
//   meta                 hash: epoch, run (of Redis, to which the epoch belongs), feed (id of the
//                        last event), roomsFullAt (when no room could be evicted),
//                        importing (while `import-chat` has not finished), sanctionId and sweepId
//                        (the last ones), sanctionsEnd (when the last sanction ends)
//   epochs               set: every epoch so far
//   feed                 stream: the events for all nodes, in one order; fields after, event
//   feedMarks            list: times, and the id of the last event then
//   rooms                set: rooms with messages
//   room:{room}          hash: head, first, at (time of the newest entry), title as JSON,
//                        titleLocked; stays without messages
//   log:{room}           stream: the entries; the id is the offset; fields epoch, at, body, which
//                        never change (rooms.lua)
//   text:{room}          hash: what can change. At an offset the state of a message or a title,
//                        above all its text, and at {offset}:edits how often a message was edited
//   others:{room}        sorted set: the offsets of entries that are not messages
//   nonce:{room}:{member}:{nonce}   string: offset, and when the nonce expires
//   name:{key}           string: the member that has the name
//   member:{member}      hash: the member's record (members.lua)
//   wrote:{member}       string: when the member first wrote
//   networks, network:{network}, seen   where members were seen in the last day (networks.lua)
//   moderators           hash: moderators, and an HMAC of the code that they gave
//   sanctions            hash: each mute or ban in force by its id, as JSON
//   ends                 hash: what follows from the sanctions (sanctions.lua)
//   sweeps               list: the pending sweeps as JSON
//   sweep:{sweep}        sorted set: the rooms that are left, and where to continue (sweep.lua)
//   nodes                hash: the registered nodes and the current link of each
//   lease:{node}         string: there until the node's lease runs out
//   presence:{node}      hash: fields "{room} {member}", the members in rooms through the node
// The pub/sub channel `typing:{database}` carries typing signals, which may be lost.

import { createHash } from "node:crypto";
import type {
  AppendResult,
  Draft,
  Entry,
  MessageEntry,
  ModerationResult,
  Moderator,
  Page,
  RoomSummary,
} from "../../chat/broker.ts";
import type { ModeratorCommand } from "../../protocol/wire.ts";
import appendLua from "./append.lua" with { type: "text" };
import appointLua from "./appoint.lua" with { type: "text" };
import claimLua from "./claim.lua" with { type: "text" };
import commonLua from "./common.lua" with { type: "text" };
import compareLua from "./compare.lua" with { type: "text" };
import entriesLua from "./entries.lua" with { type: "text" };
import holdsNameLua from "./holds_name.lua" with { type: "text" };
import membersLua from "./members.lua" with { type: "text" };
import moderateLua from "./moderate.lua" with { type: "text" };
import networksLua from "./networks.lua" with { type: "text" };
import newestRoomsLua from "./newest_rooms.lua" with { type: "text" };
import pruneLua from "./prune.lua" with { type: "text" };
import publishPresenceLua from "./publish_presence.lua" with { type: "text" };
import readLua from "./read.lua" with { type: "text" };
import registerLua from "./register.lua" with { type: "text" };
import releaseLua from "./release.lua" with { type: "text" };
import renameLua from "./rename.lua" with { type: "text" };
import renewHoldsLua from "./renew_holds.lua" with { type: "text" };
import renewLeaseLua from "./renew_lease.lua" with { type: "text" };
import roomsLua from "./rooms.lua" with { type: "text" };
import sanctionsLua from "./sanctions.lua" with { type: "text" };
import sweepLua from "./sweep.lua" with { type: "text" };
import type { PresenceChange, PresenceSnapshot } from "./presence.ts";

/** A script as Redis knows it: by its text or by the SHA-1 of that. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

/** Arguments of every script. */
export interface CommonArgs {
  readonly node: string;
  /** Name of the link that the call goes through. */
  readonly link: string;
  /** How much of the feed is kept. A node further behind repairs itself from the rooms' logs. */
  readonly feedMaxBytes: number;
  /** Milliseconds since 1970. Default: the clock of Redis. */
  readonly now?: number;
}

/** Fields that every script returns. */
export interface CommonReply {
  readonly epoch: string;
  /** Id of the last event of the feed. */
  readonly feed: number;
  /** The script did nothing, as the node is no longer registered through this link. */
  readonly fenced?: true;
}

/** Arguments of the scripts that change names. */
interface NameArgs {
  readonly nameHoldMs: number;
  /** How long the record of a member outlives the last change to it. */
  readonly recordTtlMs: number;
}

interface ClaimArgs extends NameArgs {
  readonly member: string;
  readonly username: string;
  readonly key: string;
}

/** Identifies the moderator code; absent without one. */
interface CodeArgs {
  readonly mac?: string | undefined;
}

/** When the last mute or ban of a member ends: in how many ms (0: it has), and in ms since 1970. */
export type SanctionEnd = readonly [
  kind: "mute" | "ban",
  member: string,
  leftMs: number,
  until: number,
];

/** A room that a node has loaded, compared with its log. */
export interface ComparedRoom {
  readonly room: string;
  /** The node's position is part of the log, and every entry after it is kept. */
  readonly valid: boolean;
  readonly first: number;
  readonly head: number;
}

type AppendRow = readonly [
  room: string,
  member: string,
  nonce: string,
  key: string,
  body: string,
  text: string,
  action: string,
];

interface Call<Args, Row, Reply> {
  readonly args: Args;
  readonly row: Row;
  readonly reply: Reply;
}

/** What each script takes and returns; its file says more. `Row` is one item of a list. */
export interface ScriptCalls {
  append: Call<
    CodeArgs & Readonly<{ maxRooms: number; nonceTtlMs: number; editsMax: number }>,
    AppendRow,
    { readonly results: readonly AppendResult[] }
  >;
  read: Call<
    & Readonly<{ room: string; limit: number; maxBytes: number }>
    & Readonly<{ before: number } | { after: number; epoch: string }>,
    never,
    Page
  >;
  newestRooms: Call<{ readonly limit: number }, never, { readonly rooms: readonly RoomSummary[] }>;
  compare: Call<
    Empty,
    readonly [room: string, epoch: string, offset: string],
    { readonly rooms: readonly ComparedRoom[] }
  >;
  register: Call<
    Readonly<{ leaseMs: number; isReturning: boolean }>,
    never,
    Readonly<{ registered: boolean; presence: PresenceSnapshot; ends: readonly SanctionEnd[] }>
  >;
  renewLease: Call<{ readonly leaseMs: number }, never, { readonly hasSweep: boolean }>;
  /** `detail` is the username, or the reason for leaving. */
  publishPresence: Call<
    Empty,
    readonly [kind: PresenceChange["kind"], room: string, member: string, detail: string],
    Empty
  >;
  claim: Call<
    ClaimArgs & CodeArgs & Readonly<{ tab?: string | undefined; network?: string | undefined }>,
    never,
    Readonly<{ username?: string; bannedMs?: number }>
  >;
  rename: Call<
    ClaimArgs & { readonly position: number },
    never,
    Readonly<{ renamed: boolean; isBehind: boolean }>
  >;
  holdsName: Call<{ readonly member: string }, never, { readonly holds: boolean }>;
  /** `readerHoldMs` is how long the names of a member that wrote nothing are held. */
  release: Call<
    NameArgs & Readonly<{ member: string; readerHoldMs: number; isFreed: boolean }>,
    never,
    Empty
  >;
  appoint: Call<
    CodeArgs & Readonly<{ member: string; isNew: boolean }>,
    never,
    { readonly isModerator: boolean }
  >;
  moderate: Call<
    & (NameArgs & CodeArgs)
    & Readonly<{ command: ModeratorCommand; by: Moderator; sanctionsMax: number }>,
    never,
    { readonly result: ModerationResult }
  >;
  sweep: Call<
    Readonly<{ entriesMax: number; messagesMax: number; nonceTtlMs: number }>,
    never,
    Readonly<{ deleted: number; hasMore: boolean; isBlocked: boolean }>
  >;
  renewHolds: Call<NameArgs, readonly [member: string], Empty>;
  prune: Call<
    & Readonly<{ retentionDays: number; retentionMessages: number }>
    & Readonly<{ maxEntries: number; wallNow: number; removesAll?: true }>,
    readonly [room: string],
    { readonly left: number }
  >;
}

type Empty = Readonly<Record<never, never>>;

export type ScriptName = keyof ScriptCalls;
export type ScriptArgs<Name extends ScriptName> = ScriptCalls[Name]["args"];
export type ScriptRow<Name extends ScriptName> = ScriptCalls[Name]["row"];
export type ScriptReply<Name extends ScriptName> = CommonReply & ScriptCalls[Name]["reply"];

export const scripts: Readonly<Record<ScriptName, RedisScript>> = {
  append: script(appendLua, roomsLua, membersLua, sanctionsLua, entriesLua),
  read: script(readLua, roomsLua),
  newestRooms: script(newestRoomsLua),
  compare: script(compareLua, roomsLua),
  register: script(registerLua, membersLua, sanctionsLua),
  renewLease: script(renewLeaseLua, networksLua),
  publishPresence: script(publishPresenceLua),
  claim: script(claimLua, membersLua, sanctionsLua, networksLua),
  rename: script(renameLua, membersLua),
  holdsName: script(holdsNameLua, membersLua),
  release: script(releaseLua, membersLua, networksLua),
  appoint: script(appointLua, sanctionsLua),
  moderate: script(moderateLua, membersLua, sanctionsLua, networksLua),
  sweep: script(sweepLua, roomsLua, membersLua, sanctionsLua, entriesLua),
  renewHolds: script(renewHoldsLua, membersLua),
  prune: script(pruneLua, roomsLua),
};

/** How much of the feed is kept. */
export const feedMaxBytes = 16 * 1024 * 1024;
/** How long nonces are known. */
export const nonceTtlMs = 7 * 86_400_000;

/** Returns the row of a draft; `key` is that of its author's name. */
export function appendRow(draft: Draft, key: string): AppendRow {
  const { room, member, nonce } = draft;
  const text = draft.type === "delete" ? "" : JSON.stringify(draft.text);
  return [room, member, nonce, key, entryBody(draft), text, actionOf(draft)];
}

function actionOf(draft: Draft): string {
  switch (draft.type) {
    case "edit":
      return `edit ${draft.target}`;
    case "title":
      return draft.locked ? "title locked" : "title";
    case "delete":
      return [draft.isModerator === true ? "moderate" : "delete", ...draft.targets].join(" ");
    default:
      return draft.type;
  }
}

/** Returns the fields of an entry that never change, as JSON without braces (rooms.lua). */
export function entryBody(entry: Draft | Entry): string {
  const { type, member, from, nonce } = entry;
  return withoutBraces({ type, member, from, nonce, ...ownFields(entry) });
}

function ownFields(entry: Draft | Entry): object {
  switch (entry.type) {
    case "message":
      return { reply: entry.reply };
    case "edit":
      return { target: entry.target };
    case "delete":
      // The script decides which targets of a draft are deleted.
      return "offset" in entry ? { targets: entry.targets } : {};
    case "title":
      return { locked: entry.locked };
  }
}

/** Returns the fields of a message or a title that can change, as JSON without braces. */
export function entryState(
  { amended, editedAt, deletedBy, text }: Partial<Omit<MessageEntry, "type">>,
): string {
  return withoutBraces({ amended, editedAt, deletedBy, text });
}

function withoutBraces(fields: object): string {
  return JSON.stringify(fields).slice(1, -1);
}

/** Assembles a script. Its first line must stay first, because it carries the flags. */
function script(source: string, ...shared: readonly string[]): RedisScript {
  const bodyAt = source.indexOf("\n") + 1;
  const text = [source.slice(0, bodyAt), commonLua, ...shared, source.slice(bodyAt)].join("\n");
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

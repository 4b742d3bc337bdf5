// The Lua scripts that run inside Redis, each atomically: their sources, and the types of their
// calls. Only they and `import-chat` write to Redis.
//
// Keys, after the prefix:
//   meta                 hash: epoch, run (id of the Redis run that the epoch belongs to), feed (id
//                        of the last event), roomsFullAt (when no room could be evicted),
//                        importing (until `import-chat` has finished), sanctionId and sweepId
//                        (last ids assigned), sanctionsEnd (when the last sanction ends)
//   epochs               set: every epoch so far
//   feed                 stream: the events for all nodes; fields after, event
//   feedMarks            list: times, each with the id of the last event at that time
//   rooms                set: rooms with messages
//   recent               sorted set: the public ones among them, and the time of their newest entry
//   room:{room}          hash: head, first, at (time of the newest entry), title as JSON,
//                        titleAt (the offset of its entry), titleLocked; stays when the last
//                        message is gone
//   log:{room}           stream: the entries; the id is the offset; fields epoch, at, body, which
//                        never change (rooms.lua)
//   text:{room}          hash: the parts that can change. {offset} has the state of a message or a
//                        title (rooms.lua), {offset}:edits the number of edits of a message
//   others:{room}        sorted set: the offsets of entries that are not messages
//   nonce:{room}:{member}:{nonce}   string: offset, and when the nonce expires
//   name:{key}           string: the member that has the name
//   member:{member}      hash: the member's record (members.lua)
//   wrote:{member}       string: when the member first wrote
//   networks, network:{network}, seen   the networks of members seen in the last day (networks.lua)
//   moderators           hash: moderators, each with an HMAC of the code given
//   sanctions            hash: the mutes and bans in force by id, as JSON
//   ends                 hash: when sanctions end, by member and network (sanctions.lua)
//   sweeps               list: the pending sweeps as JSON
//   sweep:{sweep}        sorted set: the remaining rooms, and where to continue (sweep.lua)
//   nodes                hash: the registered nodes, each with its current link
//   lease:{node}         string: exists until the node's lease expires
//   lost:{node}          string: exists while members of a node that was declared dead may hold
//                        their names; until when those that never wrote hold theirs
//   presence:{node}      hash: fields "{room} {member}", the members present through the node
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

/** A script, which Redis runs by its text or by the SHA-1 of its text. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

/** Arguments of every script. */
export interface CommonArgs {
  readonly node: string;
  /** Name of the link that the call goes through. */
  readonly link: string;
  /** Max size of the feed. A node further behind catches up from the rooms' logs. */
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

/** Arguments of scripts that change names. */
interface NameArgs {
  readonly nameHoldMs: number;
  /** How long a member's record is kept after its last change. */
  readonly recordTtlMs: number;
}

interface ClaimArgs extends NameArgs {
  readonly member: string;
  readonly username: string;
  readonly key: string;
}

/** The HMAC of the moderator code; absent without a code. */
interface CodeArgs {
  readonly mac?: string | undefined;
}

/** When a member's last mute or ban ends: the remaining ms (0 if it is over), and ms since 1970. */
export type SanctionEnd = readonly [
  kind: "mute" | "ban",
  member: string,
  remainingMs: number,
  until: number,
];

/** A room that a node has loaded, compared with its log. */
export interface ComparedRoom {
  readonly room: string;
  /** The log contains the node's position and every entry after it. */
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

type AppendCall = Call<
  & CodeArgs
  & Readonly<{ maxRooms: number; nonceTtlMs: number; editsMax: number }>
  & Readonly<{ wallNow?: number; isFull?: boolean }>,
  AppendRow,
  { readonly results: readonly AppendResult[] }
>;

/** Arguments and results of each script, described in its file. `Row` is one item of a list. */
export interface ScriptCalls {
  append: AppendCall;
  /** Runs while Redis is full, and stores only deletions. */
  appendFull: AppendCall;
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
  /** `readerHoldMs` is how long the names of a member that never wrote are held. */
  renewLease: Call<
    Readonly<{ leaseMs: number; nameHoldMs: number; readerHoldMs: number }>,
    never,
    { readonly hasSweep: boolean }
  >;
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
  renewHolds: Call<
    NameArgs,
    readonly [member: string, username: string, key: string],
    { readonly usernames: readonly (string | null)[] }
  >;
  prune: Call<
    & Readonly<{ retentionDays: number; retentionMessages: number }>
    & Readonly<{ maxEntries: number; wallNow: number; removesAll?: true }>,
    readonly [room: string],
    { readonly entriesLeft: number }
  >;
}

type Empty = Readonly<Record<never, never>>;

export type ScriptName = keyof ScriptCalls;
export type ScriptArgs<Name extends ScriptName> = ScriptCalls[Name]["args"];
export type ScriptRow<Name extends ScriptName> = ScriptCalls[Name]["row"];
export type ScriptReply<Name extends ScriptName> = CommonReply & ScriptCalls[Name]["reply"];

const appendParts = [roomsLua, membersLua, sanctionsLua, entriesLua];

export const scripts: Readonly<Record<ScriptName, RedisScript>> = {
  append: script(appendLua, ...appendParts),
  appendFull: script(appendLua.replace("#!lua", "#!lua flags=allow-oom"), ...appendParts),
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
  sweep: script(sweepLua, ...appendParts),
  renewHolds: script(renewHoldsLua, membersLua),
  prune: script(pruneLua, roomsLua),
};

/** Max size of the feed. */
export const feedMaxBytes = 16 * 1024 * 1024;
/** How long nonces are remembered. */
export const nonceTtlMs = 7 * 86_400_000;

/** Returns the row of a draft. `key` is the key of its author's name. */
export function appendRow(draft: Draft, key: string): AppendRow {
  const { room, member, nonce } = draft;
  const isDeletion = draft.type === "delete" || draft.text === "";
  const body = entryBody(isDeletion ? { ...draft, type: "delete", targets: [] } : draft);
  const text = isDeletion ? "" : JSON.stringify(draft.text);
  return [room, member, nonce, key, body, text, actionOf(draft)];
}

function actionOf(draft: Draft): string {
  switch (draft.type) {
    case "edit":
      return `edit ${draft.target}`;
    case "title":
      return (draft.text === "" ? "untitle" : "title") + (draft.locked ? " locked" : "");
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
      return "offset" in entry ? { targets: entry.targets, untitled: entry.untitled } : {};
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

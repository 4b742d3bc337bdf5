// The hub's ports and settings.

import type { AppendResult, Broker, Entry } from "./broker.ts";

/** A monotonic clock, so that changes to the system time don't affect timeouts. */
export interface Clock {
  /** Milliseconds since an arbitrary origin. */
  now(): number;
}

/** Schedules the hub's work. */
export interface Scheduler {
  /**
   * Runs `task` at the end of this event-loop turn (`setImmediate`). If each turn schedules another
   * one like this, Deno receives nothing for 60 turns. Use `later` to let other work through.
   */
  soon(task: () => void): void;
  /** Runs `task` after `ms`; the returned function cancels it. */
  later(ms: number, task: () => void): () => void;
}

/** Issues tokens and derives members from them. */
export interface Identity {
  /** Returns 32 random bytes in base64url. */
  newToken(): string;
  /** Returns the member's public id: always the same for a token, which it does not reveal. */
  memberOf(token: string): string;
}

/** Returns whether a code is the right one, in constant time. Must not throw. */
export type AccessCheck = (code: string) => boolean;

/** Fields of a log line; `undefined` ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** A stored entry for the log: not its text, unless `logMessageText` is set. */
export interface EntryRecord {
  readonly type: Entry["type"];
  /** Id of the session that wrote it. */
  readonly session: string;
  readonly room: string;
  readonly offset: number;
  /** The author's username. */
  readonly name: string;
  /** Offsets of the entries that an edit or deletion changes, separated by commas. */
  readonly targets?: string;
  readonly length?: number;
  readonly text?: string;
}

/** The hub's log. Must not throw. Lines that a client causes count towards its network's limit. */
export interface HubLog {
  /** Logs an event of the chat to websocket.log. */
  event(event: string, fields: LogFields, network?: string): void;
  /** Logs a tick's stored entries to messages.log. */
  entries(entries: readonly EntryRecord[]): void;
  /** Logs a problem to error.log. */
  warn(event: string, fields: LogFields, network?: string): void;
  /** Logs an error with its stack to error.log. */
  error(event: string, error: unknown, fields?: LogFields): void;
}

/** Measures the hub's work. Must not throw, and must be cheap. */
export interface HubMeter {
  /** A tick took `ms`; `frames` were sent since the previous tick. */
  tick(ms: number, frames: number): void;
  /** The log took `ms` to append a tick's messages. */
  append(ms: number): void;
  /** An entry was stored, was a repeat, or was refused. */
  message(result: AppendResult["kind"]): void;
  /** A command was refused. */
  refusal(code: string): void;
  /** A session went live in a room: it sent no position, recovered from it, or could not. */
  join(outcome: "new" | "recovered" | "lost"): void;
  /** The hub closed a session. */
  close(code: number): void;
  /** A room's pushes were sent, counted once per receiving session. */
  deliveries(count: number): void;
}

export interface HubSettings {
  /** Messages of a member: a burst, then this many per second. 0 per second means no limits. */
  readonly rateBurst: number;
  readonly ratePerSecond: number;
  /** Max rooms that have messages; 0 is unlimited. An address gets a share. */
  readonly maxRooms: number;
  /** How long a member stays listed after its last connection was lost. */
  readonly graceMs: number;
  /** How long the broker holds the names of a member that wrote, after it left. */
  readonly nameHoldMs: number;
  /** Max bytes buffered for a slow client before it is disconnected. */
  readonly outboxMaxBytes: number;
  /** Announced to clients; the broker prunes. 0 keeps messages forever. */
  readonly retentionDays: number;
  /** Announced to clients, per room. 0 keeps all. */
  readonly retentionMessages: number;
  /** Whether pages show lines for members that join, leave or are renamed. */
  readonly joinLines: boolean;
  /** Whether rooms get `typing` pushes. */
  readonly typing: boolean;
  /** Makes the ids of this process's sessions differ from those of earlier ones, in logs. */
  readonly sessionPrefix: string;
  /** Whether the text of messages is logged. */
  readonly logMessageText: boolean;
}

export interface HubPorts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly identity: Identity;
  /** Absent if the chat needs no access code. */
  readonly access?: AccessCheck | undefined;
  /** Checks the moderator code. Absent if there is none, and so no moderators. */
  readonly moderatorAccess?: AccessCheck | undefined;
  readonly log: HubLog;
  readonly meter?: HubMeter;
}

// What the hub works with and what can be set: the types through which the world comes in. No code.

import type { AppendResult, Broker } from "./broker.ts";

/** Monotonic time, so that a clock set back neither closes nor keeps a session. */
export interface Clock {
  /** Milliseconds since some fixed moment. */
  now(): number;
}

/** When the hub's own work is done. */
export interface Scheduler {
  /** Runs `task` at the end of this turn of the event loop (`setImmediate`). */
  soon(task: () => void): void;
  /** Runs `task` after `ms`; the answer cancels it. */
  later(ms: number, task: () => void): () => void;
}

/** The source of tokens, and what they stand for. */
export interface Identity {
  /** 32 random bytes in base64url. */
  newToken(): string;
  /** The public id of whoever has `token`: always the same, and of no use for finding the token. */
  memberOf(token: string): string;
}

/** Whether a code opens a chat that is not open to everybody. Takes equally long for every wrong one. Must not throw. */
export type AccessCheck = (code: string) => boolean;

/** Fields of a log line; `undefined` ones are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where the hub writes what happened. Must not throw. */
export interface HubLog {
  event(event: string, fields: LogFields): void;
  warn(event: string, fields: LogFields): void;
  error(event: string, error: unknown, fields?: LogFields): void;
}

/** Who counts what the hub does, for the operator. Must not throw, and takes next to no time. */
export interface HubMeter {
  /** A tick is over; so many frames were sent since the one before. */
  tick(ms: number, frames: number): void;
  /** The log has answered for a tick's messages. */
  append(ms: number): void;
  /** What became of one message. */
  message(result: AppendResult["kind"]): void;
  /** A command was refused, for this reason. */
  refusal(code: string): void;
  /** Somebody is live in a room: anew, from where it was, or from somewhere else than that. */
  join(outcome: "new" | "recovered" | "lost"): void;
  /** This side ended a connection. */
  close(code: number): void;
  /** So many pushes of a room went out, counted for each session that got them. */
  deliveries(count: number): void;
}

/** What can be set; times in ms. */
export interface HubSettings {
  /** Messages of a member in one go, and then in a second. A `ratePerSecond` of 0 lifts all rates. */
  readonly rateBurst: number;
  readonly ratePerSecond: number;
  /** How long a member whose connection was lost is still here. */
  readonly graceMs: number;
  /** Bytes that may wait for a peer before it is closed as a slow consumer. */
  readonly outboxMaxBytes: number;
  /** Told to clients; the broker is who prunes. 0 is for ever, and all. */
  readonly retentionDays: number;
  readonly retentionMessages: number;
  /** Whether the log has the text of messages. */
  readonly logMessageText: boolean;
}

/** What the hub works with. */
export interface HubPorts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly identity: Identity;
  /** Absent where everybody may come in. */
  readonly access?: AccessCheck | undefined;
  readonly log: HubLog;
  readonly meter?: HubMeter;
}

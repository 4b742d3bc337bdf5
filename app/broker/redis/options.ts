// The options of the Redis broker and its parts.

import type { Link, RedisLinkOptions } from "./redis_link.ts";

export interface RedisBrokerOptions {
  /** `redis://` or `rediss://`, with user and password where needed. */
  readonly url: string;
  /** Prefix of every key. */
  readonly prefix: string;
  /** Milliseconds since 1970, for tests. Default: the clock of Redis, one for all nodes. */
  readonly now?: () => number;
  /** Returns a unique name, for a node or a link. */
  readonly randomName: () => string;
  /** How long the names of a member that has written are held after it left. */
  readonly nameHoldMs: number;
  /** Days to keep messages; 0 means no limit. */
  readonly retentionDays: number;
  /** Max messages kept per room; 0 means no limit. */
  readonly retentionMessages: number;
  /** Max rooms with messages; 0 means no limit. */
  readonly maxRooms: number;
  readonly search?: boolean;
  /** Returns the HMAC of the moderator code for a member. Absent without a code. */
  readonly moderatorMac?: ((member: string) => string) | undefined;
  /** Max entries that one step of a sweep visits; for tests. */
  readonly sweepEntries?: number;
  /** The other nodes declare a node dead if it hasn't renewed its lease for this long. */
  readonly leaseMs: number;
  /** Timeout of a command. */
  readonly timeoutMs: number;
  /** Called when storage starts to fail, and when it works again. */
  readonly report: (event: string, error: unknown) => void;
  /** Default: over the network. */
  readonly connect?: (options: RedisLinkOptions) => Promise<Link>;
  /** Runs a task after a delay; the returned function cancels it. */
  readonly later: (ms: number, task: () => void) => () => void;
  /** Returns a random number, as `Math.random` does. */
  readonly random: () => number;
}

// The options of the SQLite broker and its parts.

import type { Durability } from "./database.ts";
import type { FolderLock } from "./lock.ts";

export interface SqliteOptions {
  /** The database file, or `:memory:`. */
  readonly path: string;
  readonly durability: Durability;
  /** Checked before each commit, so that only the owner of the folder writes. */
  readonly lock?: Pick<FolderLock, "check" | "lossReason">;
  /** Called when the storage starts to fail, when it works again, and if it has lost messages. */
  readonly report: (event: string, error: unknown) => void;
  /** Number of new nonces after which they are written to the file; for tests. */
  readonly recentNonces?: number;
  /** Whether messages are indexed for `search`; if not, an index is removed. */
  readonly search?: boolean;
  /** Time after which a search returns the messages found so far; for tests. */
  readonly searchMaxMs?: number;
  /** Pauses a search after a step, for the `ms` that the step took. */
  readonly pause?: (ms: number) => Promise<void>;
  /** How long a member stays listed after its last connection was lost. */
  readonly graceMs: number;
  /** Days to keep messages; 0 means no limit. */
  readonly retentionDays: number;
  /** Max messages kept per room; 0 means no limit. */
  readonly retentionMessages: number;
  /** Returns an unused name, for an epoch. */
  readonly randomName: () => string;
  /** Max rooms with messages; 0 means no limit. */
  readonly maxRooms: number;
  /** Max bytes of the database without free pages; 0 means no limit. */
  readonly maxDataBytes: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether `now` can be trusted. If not, no room is evicted. */
  readonly isClockTrusted?: () => boolean;
  /** Monotonic time in ms, by which steps of background work are measured; for tests. */
  readonly monotonic?: () => number;
  /** How long the names of a member that has written are held after it left. */
  readonly nameHoldMs: number;
  /** Returns the HMAC of the moderator code for a member. Absent without a code. */
  readonly moderatorMac?: ((member: string) => string) | undefined;
}

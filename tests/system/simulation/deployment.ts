// The servers of a simulated world, and their faults.

import type { ChatHub } from "../../../app/chat/chat_hub.ts";
import type { Acceptor } from "./network.ts";
import type { ReferenceLog } from "./reference_log.ts";
import type { Violation } from "./violation.ts";

/** The servers of a world and their storage. */
export interface Deployment {
  readonly log: ReferenceLog;
  readonly crashes: number;
  /** The first broken promise found where the code under test would catch a thrown error. */
  readonly violation: Violation | undefined;
  /** Whether every server runs. */
  readonly isUp: boolean;
  /** The state of the hub of each running server. */
  readonly hubSizes: readonly ChatHub["size"][];
  /** Returns the usernames in a room, as each server lists them. */
  namesIn(room: string): readonly string[];
  /** A running server to connect to, if there is one. */
  readonly acceptor: Acceptor | undefined;
  /** Starts a server that does not run, if there is one. */
  start(): void;
  /** Stops a server, as SIGTERM does. */
  stop(): void;
  /** Kills a server. */
  crash(): void;
  /** Kills a server at one of its next steps. */
  crashSoon(): void;
  /** Makes the storage fail until `repairStorage`. */
  failStorage(): void;
  repairStorage(): void;
  takeBackup(): void;
  restoreBackup(): void;
  prune(): void;
  /** Throws a `Violation` if the storage still has a deleted text. */
  checkStorage(): void;
  close(): void;
}

// The servers of a simulated world: what clients connect to, and what can go wrong with it.

import type { ChatHub } from "../../../app/chat/chat_hub.ts";
import type { Acceptor } from "./network.ts";
import type { ReferenceLog } from "./reference_log.ts";

/** Thrown when a promise is broken. */
export class Violation extends Error {}

/** The servers of a world and their storage. */
export interface Deployment {
  readonly log: ReferenceLog;
  readonly crashes: number;
  /** The first promise broken where a thrown error would be caught by the code under test. */
  readonly violation: Violation | undefined;
  /** Whether every server runs. */
  readonly isUp: boolean;
  /** What the hub of each running server holds. */
  readonly hubSizes: readonly ChatHub["size"][];
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
  close(): void;
}

// The parameters of the crash test.

/**
 * The parameters of a run. The seed decides the clients' actions and when faults are due; the
 * machine decides the timing.
 */
export interface Plan {
  /** Number of faults. */
  readonly rounds: number;
  readonly seed: number;
  /** How the server dies; `mixed` also kills servers that are draining. */
  readonly signal: "KILL" | "TERM" | "mixed";
  readonly durability: "normal" | "full";
  /** With more than one, nodes and their Redis fail in turn. */
  readonly nodes: number;
  /** When Redis writes to its disk. */
  readonly appendfsync: "always" | "everysec";
  readonly clients: number;
  /** Max mean number of frames per client and round. */
  readonly framesMax: number;
}

// Brokers that misbehave as real storage does: one fails and dies with its process, one is slow.

import type { AppendResult, Broker, BrokerListener, Outcome } from "../../../app/chat/broker.ts";
import type { SqliteBroker } from "../../../app/broker/sqlite/sqlite_broker.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { NameInvariant } from "./invariants.ts";
import type { ReferenceLog } from "./reference_log.ts";
import type { SimulatedProcess } from "./simulated_process.ts";
import type { Timeline } from "./timeline.ts";

export interface FaultyBrokerOptions {
  readonly broker: SqliteBroker;
  readonly process: SimulatedProcess;
  readonly isFailing: () => boolean;
  readonly log: ReferenceLog;
  readonly names: NameInvariant;
  /** Runs a check, and records the violation it throws. */
  readonly check: (run: () => void) => void;
}

/** Wraps a broker whose disk may fail and whose process may die before and after each commit. */
export function faultyBroker(options: FaultyBrokerOptions): Broker {
  const { broker, process, isFailing, log, names, check } = options;
  const requireWorking = () => {
    if (isFailing()) throw new Error("the disk fails");
    if (!process.isAlive) throw new Error("this process is dead");
  };
  /** Runs a transaction. The process may die before and after it. */
  const commit = <T>(run: () => T): T => {
    process.survivesStep();
    requireWorking();
    const result = run();
    process.survivesStep();
    return result;
  };
  /** Checks of names that wait for the commit of a batch. */
  let unchecked: (() => void)[] | undefined;
  const afterCommit = (run: () => void) => {
    if (unchecked === undefined) run();
    else unchecked.push(run);
  };
  return {
    append: (drafts) => {
      const failed = drafts.map((): AppendResult => ({ kind: "unavailable" }));
      if (!process.isAlive || !process.survivesStep() || isFailing()) return failed;
      const results = broker.append(drafts);
      process.survivesStep();
      return results;
    },
    read: (room, query) => {
      requireWorking();
      return broker.read(room, query);
    },
    subscribe: (listener: BrokerListener) =>
      broker.subscribe({
        entries: (entries) => {
          if (!process.isAlive) return;
          check(() => {
            for (const entry of entries) {
              names.check(entry.from, entry.member);
              log.append(entry);
            }
          });
          if (process.survivesStep()) listener.entries(entries);
        },
        pruned: (room, first) => {
          if (process.isAlive) listener.pruned(room, first);
        },
        membersBanned: (members, until) => {
          if (process.isAlive) listener.membersBanned?.(members, until);
        },
      }),
    newestRooms: (limit) => broker.newestRooms(limit),
    batch: (work) => {
      const checks: (() => void)[] = [];
      unchecked = checks;
      try {
        broker.batch(() => {
          work();
          process.survivesStep();
          requireWorking();
        });
      } finally {
        unchecked = undefined;
      }
      for (const runCheck of checks) runCheck();
      process.survivesStep();
    },
    claim: (member, username, tab, network) => {
      if (unchecked === undefined) requireWorking();
      const held = broker.claim(member, username, tab, network);
      if (typeof held === "string") afterCommit(() => check(() => names.hold(held, member)));
      return held;
    },
    rename: (member, username) => {
      requireWorking();
      const renamed = broker.rename(member, username);
      if (renamed) check(() => names.hold(username, member));
      return renamed;
    },
    holdsName: (member) => broker.holdsName(member),
    release: (member) => {
      if (unchecked === undefined) requireWorking();
      broker.release(member);
      afterCommit(() => names.release(member));
    },
    renewHolds: () => {},
    moderation: {
      appoint: (member) => commit(() => broker.moderation.appoint(member)),
      isModerator: (member) => {
        requireWorking();
        return broker.moderation.isModerator(member);
      },
      moderate: (command, by) => commit(() => broker.moderation.moderate(command, by)),
      mutedFor: (member) => broker.moderation.mutedFor(member),
      sweep: () => commit(() => broker.moderation.sweep()),
    },
    prune: () => broker.prune(),
    close: () => broker.close(),
  };
}

/** Wraps a broker so that its calls take time, as over a network: they run and resolve in order. */
export function slowBroker(
  broker: Broker,
  process: SimulatedProcess,
  time: Timeline,
  random: SeededRandom,
): Broker {
  let [runsAt, resolvesAt] = [0, 0];
  const call = <T>(run: () => Outcome<T>): Promise<T> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    runsAt = Math.max(runsAt, time.ms + random.delay(400));
    time.at(runsAt, () => {
      if (!process.isAlive) return;
      let settle: () => void;
      try {
        const outcome = run();
        settle = () => resolve(outcome);
      } catch (error) {
        settle = () => reject(error);
      }
      resolvesAt = Math.max(resolvesAt, time.ms + random.delay(100));
      time.at(resolvesAt, () => {
        if (process.isAlive) settle();
      });
    });
    return promise;
  };
  const { moderation } = broker;
  return {
    append: (drafts) => call(() => broker.append(drafts)),
    read: (room, query) => call(() => broker.read(room, query)),
    subscribe: (listener) => broker.subscribe(listener),
    newestRooms: (limit) => call(() => broker.newestRooms(limit)),
    batch: (work) => work(),
    claim: (...claim) => call(() => broker.claim(...claim)),
    rename: (member, username, isWanted) => call(() => broker.rename(member, username, isWanted)),
    holdsName: (member) => call(() => broker.holdsName(member)),
    release: (member) => call(() => broker.release(member)),
    renewHolds: () => call(() => broker.renewHolds()),
    ...(moderation && {
      moderation: {
        appoint: (member) => call(() => moderation.appoint(member)),
        isModerator: (member) => call(() => moderation.isModerator(member)),
        moderate: (command, by) => call(() => moderation.moderate(command, by)),
        mutedFor: (member) => moderation.mutedFor(member),
        sweep: () => call(() => moderation.sweep()),
      },
    }),
    prune: () => call(() => broker.prune()),
    close: () => broker.close(),
  };
}

// Opens the message log: the Redis at REDIS_URL, or the database in DATA_DIR.

import type { Broker } from "../chat/broker.ts";
import type { Config } from "../core/config.ts";
import { databasePath, redisPrefix } from "../core/data_dir.ts";
import { macOf, randomName } from "../core/identity.ts";
import { later } from "../core/timers.ts";
import type { ClockTrust } from "./pruning.ts";
import { openSqliteStorage } from "./sqlite/storage.ts";

/** Duration of a node's lease, longer than the grace of its members. */
const redisLeaseMsPerGraceSecond = 1_500;
/** Min lease: a node needs this long to notice that Redis is unreachable. */
const redisLeaseMinMs = 4_500;
const redisTimeoutMs = 3_000;
const notStored = "Messages cannot be stored. See the error log";

/** The message log and its health. */
export interface Storage {
  readonly broker: Broker;
  /** Returns why messages cannot be stored now, or `undefined` if they can. */
  notReadyReason(): string | undefined;
  /** Whether this process holds the lock of its data folder. Absent with Redis. */
  holdsLock?(): boolean;
  /** Resolves with the reason when the server must stop. */
  readonly lost?: Promise<string>;
  /** Closes the broker. Returns the reason if the storage was lost. */
  close(): Promise<string | undefined>;
}

/**
 * Opens the message log that the settings name.
 *
 * @throws {Error} If it cannot be used; the message says why.
 */
export async function openStorage(
  config: Config,
  report: (event: string, error: unknown) => void,
  clock: Pick<ClockTrust, "check">,
): Promise<Storage> {
  const { retentionDays, retentionMessages, maxRooms } = config;
  const common = {
    randomName,
    nameHoldMs: config.nameHoldSeconds * 1000,
    retentionDays,
    retentionMessages,
    maxRooms,
    search: config.search,
    moderatorMac: config.moderatorCode === "" ? undefined : macOf(config.moderatorCode),
    report,
  };
  if (config.redisUrl !== "") {
    // Loaded on demand, since most servers have no Redis.
    const { RedisBroker } = await import("./redis/redis_broker.ts");
    const broker = await RedisBroker.open({
      ...common,
      url: config.redisUrl,
      prefix: redisPrefix,
      leaseMs: Math.max(redisLeaseMinMs, config.graceSeconds * redisLeaseMsPerGraceSecond),
      timeoutMs: redisTimeoutMs,
      later,
      random: Math.random,
    });
    const close = async () => void await broker.close();
    const notReadyReason = () => {
      if (broker.isFull) return "Redis has reached its maxmemory";
      return broker.isReady ? undefined : notStored;
    };
    return { broker, notReadyReason, close };
  }
  const storage = await openSqliteStorage({
    ...common,
    path: databasePath(config),
    durability: config.durability,
    maxDataBytes: config.maxDataMb * 1024 * 1024,
    now: Date.now,
    isClockTrusted: () => clock.check(),
    later,
    graceMs: config.graceSeconds * 1000,
    // Searches take at most half of the server's time.
    pause: (ms) => new Promise((resolve) => void later(ms, resolve)),
  });
  const notReadyReason = () => {
    if (storage.broker.isFull) return "The database has reached MAX_DATA_MB";
    return storage.broker.isWritable() ? undefined : notStored;
  };
  return { ...storage, notReadyReason };
}

// Moderators, mutes and bans, and the members and networks that they are checked against.

import type { Banned, Draft, ModerationResult, Moderator } from "../../chat/broker.ts";
import { hubLimits } from "../../protocol/wire.ts";
import type { BanCommand, ModeratorCommand, MuteCommand, Sanction } from "../../protocol/wire.ts";
import type { DatabaseFile } from "./database.ts";
import type { SqliteOptions } from "./options.ts";
import { addSweep } from "./sweeps.ts";

/** How long a member's network is kept after it was last seen. */
const networkMs = 86_400_000;
/** How long a member that has written is remembered after that. */
const memberMs = 365 * 86_400_000;
/** Max members whose networks are kept; those seen longest ago are dropped first. */
const networksMax = 100_000;
/** Age of the oldest messages that a ban can delete. */
const banSweepMs = 3_600_000;

const recent = "(seen > ?2 OR member IN (SELECT member FROM names WHERE live = 1))";

// `+live` keeps SQLite from using the index of live names, which would scan all of them.
const sql = {
  seen: `INSERT INTO members (member, network, seen) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET network = ?2, seen = ?3`,
  wrote: `INSERT INTO members (member, seen, wrote_at) VALUES (?1, ?2, ?2)
          ON CONFLICT DO UPDATE SET wrote_at = ?2 WHERE wrote_at IS NULL`,
  wroteAt: "SELECT wrote_at FROM members WHERE member = ?",
  forget: "DELETE FROM members WHERE member = ? AND wrote_at IS NULL",
  left: "UPDATE members SET seen = max(seen, ?) WHERE member = ?",
  nthSeen: "SELECT seen FROM members WHERE network IS NOT NULL ORDER BY seen DESC LIMIT 1 OFFSET ?",
  forgetNetworks: `UPDATE members SET network = NULL WHERE member IN (
                     SELECT member FROM members WHERE network IS NOT NULL AND seen <= ?
                     AND NOT EXISTS (SELECT 1 FROM names WHERE names.member = members.member
                                     AND +live = 1) ORDER BY seen LIMIT ?)`,
  forgetMembers: `DELETE FROM members WHERE member IN (
                    SELECT member FROM members WHERE seen <= ? AND network IS NULL LIMIT ?)`,
  networkOf: `SELECT network FROM members WHERE member = ?1 AND ${recent}`,
  membersOf: `SELECT member FROM members WHERE network = ?1 AND ${recent}`,
  countOthers: `SELECT count(*) AS count FROM members WHERE network = ?1 AND ${recent}
                AND member <> ?3`,
  usernameOf: "SELECT username FROM names WHERE member = ? AND current = 1",
  reserve: "UPDATE names SET held_until = max(held_until, ?) WHERE member = ?",
  unreserve: "UPDATE names SET held_until = min(held_until, ?) WHERE member = ?",
  appoint: "INSERT OR REPLACE INTO moderators (member, mac) VALUES (?, ?)",
  dismiss: "DELETE FROM moderators WHERE member = ?",
  moderators: "SELECT member FROM moderators",
  moderatorsOf: "SELECT member FROM moderators JOIN members USING (member) WHERE network = ?",
  macOf: "SELECT mac FROM moderators WHERE member = ?",
  isPresent: "SELECT 1 FROM names WHERE member = ? AND +live = 1",
  all: "SELECT * FROM sanctions WHERE until > ? ORDER BY id DESC",
  expire: "DELETE FROM sanctions WHERE until <= ?",
  of: "SELECT * FROM sanctions WHERE kind = ? AND member = ?",
  byId: "SELECT * FROM sanctions WHERE id = ? AND until > ?",
  add: `INSERT INTO sanctions (kind, member, username, members, network, at, until, by)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  remove: "DELETE FROM sanctions WHERE id = ?",
} as const;

/** The members affected by a new ban, for the listener. */
export interface NewBan {
  readonly members: readonly string[];
  readonly until: number;
}

/**
 * The sanctions in one database, and a cache of them. Changes belong inside a transaction, after
 * `load`.
 */
export class Sanctions {
  readonly #options: Pick<SqliteOptions, "now" | "nameHoldMs" | "moderatorMac">;
  /** When mutes and bans end, by member. */
  readonly #ends = { mute: new Map<string, number>(), ban: new Map<string, number>() };
  /** When bans of networks were imposed and end, by network. */
  readonly #networks = new Map<string, { readonly at: number; readonly until: number }[]>();
  /** Whether the maps match the database. A failed transaction makes them stale. */
  #isLoaded = false;
  /** The ban that the last `moderate` imposed, if any. */
  newBan: NewBan | undefined;

  constructor(options: Pick<SqliteOptions, "now" | "nameHoldMs" | "moderatorMac">) {
    this.#options = options;
  }

  /** Loads the sanctions, unless they are loaded. */
  load(file: DatabaseFile): void {
    if (this.#isLoaded) return;
    const { mute, ban } = this.#ends;
    for (const map of [mute, ban, this.#networks]) map.clear();
    // Ended ones too: they apply again if the clock is set back.
    for (const row of file.all(sql.all, 0)) {
      const [until, at] = [Number(row.until), Number(row.at)];
      const ends = row.kind === "ban" ? ban : mute;
      for (const member of membersIn(row)) {
        ends.set(member, Math.max(until, ends.get(member) ?? 0));
      }
      if (typeof row.network !== "string") continue;
      this.#networks.getOrInsertComputed(row.network, () => []).push({ at, until });
    }
    this.#isLoaded = true;
  }

  /** Marks the cache as stale after a failed transaction, or when the database was reopened. */
  rollback(): void {
    this.#isLoaded = false;
  }

  /** Whether there are any sanctions, ended ones included. */
  get hasAny(): boolean {
    return this.#ends.ban.size > 0 || this.#ends.mute.size > 0;
  }

  /** Returns why a draft is refused. A muted member may still delete its own messages. */
  refusalOf(
    { member, type }: Draft,
  ): { readonly kind: "muted" | "banned"; readonly retryAfter: number } | undefined {
    const banned = this.#remainingMs("ban", member);
    if (banned > 0) return { kind: "banned", retryAfter: banned };
    const muted = type === "delete" ? 0 : this.#remainingMs("mute", member);
    return muted > 0 ? { kind: "muted", retryAfter: muted } : undefined;
  }

  /** Returns how much longer a member is muted, in ms. */
  mutedFor(member: string): number {
    return this.#remainingMs("mute", member);
  }

  /**
   * Returns why a claim is refused: the member is banned, or its network is and the member wrote
   * nothing before that ban.
   */
  claimRefusal(
    file: DatabaseFile,
    member: string,
    network: string | undefined,
  ): Banned | undefined {
    const banned = this.#remainingMs("ban", member);
    if (banned > 0) return { kind: "banned", retryAfter: banned };
    const bans = network === undefined ? undefined : this.#networks.get(network);
    if (bans === undefined || this.isModerator(file, member)) return undefined;
    const wroteAt = Number(file.get(sql.wroteAt, member)?.wrote_at ?? Infinity);
    const ends = bans.filter(({ at }) => wroteAt >= at).map(({ until }) => until);
    const retryAfter = Math.max(...ends) - this.#options.now();
    return retryAfter > 0 ? { kind: "banned", retryAfter } : undefined;
  }

  /** Records the network of a member that has claimed its name. */
  markSeen(file: DatabaseFile, member: string, network: string): void {
    file.run(sql.seen, member, network, this.#options.now());
  }

  /** Records when a member first wrote. */
  markWriter(file: DatabaseFile, member: string): void {
    file.run(sql.wrote, member, this.#options.now());
  }

  /** Records when a member that has written left, and forgets any other. */
  markLeft(file: DatabaseFile, member: string): void {
    const { changes } = file.run(sql.forget, member);
    if (changes === 0) file.run(sql.left, this.#options.now(), member);
  }

  /**
   * Removes ended sanctions, and up to `rows` each of networks and members that expired. Returns
   * whether there may be more.
   */
  prune(file: DatabaseFile, now: number, rows: number): boolean {
    if (file.run(sql.expire, now).changes > 0) this.#isLoaded = false;
    const nthSeen = Number(file.get(sql.nthSeen, networksMax)?.seen ?? 0);
    const { changes } = file.run(sql.forgetNetworks, Math.max(now - networkMs, nthSeen), rows);
    return changes === rows || file.run(sql.forgetMembers, now - memberMs, rows).changes === rows;
  }

  appoint(file: DatabaseFile, member: string): void {
    const mac = this.#options.moderatorMac?.(member);
    if (mac !== undefined) file.run(sql.appoint, member, mac);
  }

  isModerator(file: DatabaseFile, member: string): boolean {
    const mac = this.#options.moderatorMac?.(member);
    return mac !== undefined && file.get(sql.macOf, member)?.mac === mac;
  }

  /** Carries out a moderator's command. */
  moderate(file: DatabaseFile, command: ModeratorCommand, by: Moderator): ModerationResult {
    this.newBan = undefined;
    if (by.isOperator !== true && !this.isModerator(file, by.member)) return refused("forbidden");
    const now = this.#options.now();
    switch (command.type) {
      case "sanctions":
        return this.#done(file);
      case "neighbors": {
        const network = this.#networkOf(file, command.member, by);
        if (network === undefined) return this.#done(file);
        const others = file.get(sql.countOthers, network, now - networkMs, command.member)?.count;
        return this.#done(file, undefined, Number(others));
      }
      case "sweep":
        addSweep(file, [command.member], now - command.seconds * 1000, by);
        return this.#done(file);
      case "lift": {
        const row = file.get(sql.byId, command.id, now);
        if (row === undefined) return refused("not_found");
        this.#remove(file, row);
        return this.#done(file, sanctionOf(row));
      }
      case "mute":
        return this.#impose(file, command, [command.member], undefined, by);
      case "ban":
        return this.#ban(file, command, by);
    }
  }

  #ban(file: DatabaseFile, command: BanCommand, by: Moderator): ModerationResult {
    const { member, seconds, deleteMessages } = command;
    if (member === by.member) return refused("forbidden");
    let network: string | undefined;
    const members = new Set([member]);
    if (command.network) {
      network = this.#networkOf(file, member, by);
      if (network === undefined) return refused("network_protected");
      for (const other of this.#membersOf(file, network)) members.add(other);
      for (const other of file.all(sql.moderators).map(({ member }) => String(member))) {
        if (other !== member && this.isModerator(file, other)) members.delete(other);
      }
    }
    const now = this.#options.now();
    const until = now + seconds * 1000;
    file.run(sql.dismiss, member);
    const result = this.#impose(file, command, [...members], network, by);
    for (const each of members) file.run(sql.reserve, until, each);
    if (deleteMessages) addSweep(file, [...members], now - banSweepMs, by);
    this.newBan = { members: [...members], until };
    return result;
  }

  /** Imposes a sanction, which replaces an earlier one of the same kind. */
  #impose(
    file: DatabaseFile,
    { type, member, seconds }: MuteCommand | BanCommand,
    members: readonly string[],
    network: string | undefined,
    by: Moderator,
  ): ModerationResult {
    const now = this.#options.now();
    const username = String(file.get(sql.usernameOf, member)?.username ?? "");
    const target = [type, member, username, JSON.stringify(members), network ?? null] as const;
    for (const row of file.all(sql.of, type, member)) this.#remove(file, row);
    file.run(sql.add, ...target, now, now + seconds * 1000, by.username);
    return this.#done(file, this.#list(file)[0]);
  }

  /** Removes a sanction. The names of its members are held as if they had just left. */
  #remove(file: DatabaseFile, row: Record<string, unknown>): void {
    file.run(sql.remove, Number(row.id));
    this.#isLoaded = false;
    this.load(file);
    if (row.kind !== "ban") return;
    const heldUntil = this.#options.now() + this.#options.nameHoldMs;
    for (const member of membersIn(row)) {
      file.run(sql.unreserve, Math.max(heldUntil, this.#ends.ban.get(member) ?? 0), member);
    }
  }

  #done(file: DatabaseFile, changed?: Sanction, others?: number): ModerationResult {
    if (changed !== undefined) {
      this.#isLoaded = false;
      this.load(file);
    }
    const sanctions = this.#list(file).slice(0, hubLimits.sanctionsMax);
    return { kind: "done", sanctions, changed, others };
  }

  #list(file: DatabaseFile): readonly Sanction[] {
    return file.all(sql.all, this.#options.now()).map(sanctionOf);
  }

  /** Returns the network of a member, unless a moderator is present there. */
  #networkOf(file: DatabaseFile, member: string, by: Moderator): string | undefined {
    const since = this.#options.now() - networkMs;
    const network = file.get(sql.networkOf, member, since)?.network;
    if (typeof network !== "string" || network === by.network) return undefined;
    const moderators = file.all(sql.moderatorsOf, network).map(({ member }) => String(member));
    const isProtected = moderators.some((other) =>
      other !== member && file.get(sql.isPresent, other) !== undefined &&
      this.isModerator(file, other)
    );
    return isProtected ? undefined : network;
  }

  #membersOf(file: DatabaseFile, network: string): readonly string[] {
    const since = this.#options.now() - networkMs;
    return file.all(sql.membersOf, network, since).map(({ member }) => String(member));
  }

  #remainingMs(kind: "mute" | "ban", member: string): number {
    const until = this.#ends[kind].get(member);
    return until === undefined ? 0 : Math.max(0, until - this.#options.now());
  }
}

function refused(
  code: "forbidden" | "network_protected" | "not_found",
): ModerationResult {
  return { kind: "refused", code };
}

function sanctionOf(row: Record<string, unknown>): Sanction {
  return {
    id: Number(row.id),
    kind: row.kind === "ban" ? "ban" : "mute",
    member: String(row.member),
    username: String(row.username),
    at: Number(row.at),
    until: Number(row.until),
    by: String(row.by),
    ...(row.network === null ? {} : { others: membersIn(row).length - 1 }),
  };
}

function membersIn(row: Record<string, unknown>): readonly string[] {
  // This module has written it.
  return JSON.parse(String(row.members)) as readonly string[];
}

// The moderators, sanctions and sweeps of a simulated Redis, as in moderate.lua and claim.lua.

import type { SanctionEnd, ScriptArgs } from "../../../app/broker/redis/scripts.ts";
import type { ModerationResult } from "../../../app/chat/broker.ts";
import type { Sanction } from "../../../app/protocol/wire.ts";

interface StoredSanction extends Sanction {
  readonly members: readonly string[];
  readonly network: string | undefined;
}

interface Sweep {
  readonly members: readonly string[];
  readonly since: number;
  readonly member: string;
  readonly username: string;
  /** The rooms that are left, each with the offset before which the next step continues. */
  readonly rooms: Map<string, number>;
}

export interface SanctionStorage {
  readonly moderators: Map<string, string | undefined>;
  sanctions: StoredSanction[];
  lastSanction: number;
  readonly sweeps: Sweep[];
  /** The networks of members that were seen in the last day. */
  readonly networks: Map<string, string>;
  /** When members first wrote. */
  readonly wroteAt: Map<string, number>;
}

export function emptySanctions(): SanctionStorage {
  return {
    moderators: new Map(),
    sanctions: [],
    lastSanction: 0,
    sweeps: [],
    networks: new Map(),
    wroteAt: new Map(),
  };
}

export interface SanctionPorts {
  readonly now: number;
  readonly rooms: Iterable<string>;
  readonly usernameOf: (member: string) => string | undefined;
  readonly isConnected: (member: string) => boolean;
  readonly reserve: (member: string, until: number) => void;
  readonly publish: (ends: readonly SanctionEnd[]) => void;
}

/** The sanctions in a storage, at one moment. */
export class SimulatedSanctions {
  readonly #storage: SanctionStorage;
  readonly #ports: SanctionPorts;

  constructor(storage: SanctionStorage, ports: SanctionPorts) {
    this.#storage = storage;
    this.#ports = ports;
  }

  get #inForce(): readonly StoredSanction[] {
    return this.#storage.sanctions.filter(({ until }) => until > this.#ports.now);
  }

  remainingMs(kind: Sanction["kind"], member: string): number {
    const ends = this.#inForce.filter((each) => each.kind === kind && each.members.includes(member))
      .map(({ until }) => until);
    return ends.length === 0 ? 0 : Math.max(...ends) - this.#ports.now;
  }

  isModerator(member: string, mac: string | undefined): boolean {
    return mac !== undefined && this.#storage.moderators.get(member) === mac;
  }

  /** Returns why a draft is refused. */
  refusalOf(
    member: string,
    kind: string,
  ): { readonly kind: "muted" | "banned"; readonly retryAfter: number } | undefined {
    if (kind === "moderate") return undefined;
    const banned = this.remainingMs("ban", member);
    if (banned > 0) return { kind: "banned", retryAfter: banned };
    const muted = kind === "delete" ? 0 : this.remainingMs("mute", member);
    return muted > 0 ? { kind: "muted", retryAfter: muted } : undefined;
  }

  /** Returns how much longer a member, or its network, is banned. */
  claimBanMs({ member, network, mac }: ScriptArgs<"claim">): number {
    const banned = this.remainingMs("ban", member);
    if (banned > 0 || network === undefined || this.isModerator(member, mac)) return banned;
    const wroteAt = this.#storage.wroteAt.get(member) ?? Infinity;
    const bans = this.#inForce.filter((each) => each.network === network && wroteAt >= each.at);
    return Math.max(0, ...bans.map(({ until }) => until - this.#ports.now));
  }

  /** Returns the ends of the mutes and bans of members, or of all members that have one. */
  ends(members = this.#inForce.flatMap((each) => each.members)): readonly SanctionEnd[] {
    const { now } = this.#ports;
    return [...new Set(members)].flatMap((member) =>
      (["mute", "ban"] as const).map((kind) => {
        const ms = this.remainingMs(kind, member);
        return [kind, member, ms, ms === 0 ? 0 : now + ms] as const;
      })
    );
  }

  moderate({ command, by, mac, nameHoldMs }: ScriptArgs<"moderate">): ModerationResult {
    const { now, usernameOf, reserve, publish } = this.#ports;
    const storage = this.#storage;
    if (by.isOperator !== true && !this.isModerator(by.member, mac)) return refused("forbidden");
    if (command.type === "sanctions") return this.#done();
    if (command.type === "neighbors") {
      const members = this.#neighbors(command.member, by.network, mac);
      return this.#done(undefined, members && members.length - 1);
    }
    if (command.type === "sweep") {
      this.#addSweep([command.member], now - command.seconds * 1000, by);
      return this.#done();
    }
    const before = this.#inForce;
    let changed: StoredSanction | undefined;
    if (command.type === "lift") {
      changed = before.find(({ id }) => id === command.id);
      if (changed === undefined) return refused("not_found");
      storage.sanctions = before.filter((each) => each !== changed);
    } else {
      const { type: kind, member, seconds } = command;
      const members = [member];
      let network: string | undefined;
      if (command.type === "ban") {
        if (member === by.member) return refused("forbidden");
        if (command.network) {
          const neighbors = this.#neighbors(member, by.network, mac);
          if (neighbors === undefined) return refused("network_protected");
          network = storage.networks.get(member);
          members.push(
            ...neighbors.filter((each) => each !== member && !this.isModerator(each, mac)),
          );
        }
        storage.moderators.delete(member);
        if (command.deleteMessages) this.#addSweep(members, now - 3_600_000, by);
      }
      const isSame = (each: StoredSanction) => each.kind === kind && each.member === member;
      changed = {
        id: ++storage.lastSanction,
        kind,
        member,
        username: usernameOf(member) ?? "",
        at: now,
        until: now + seconds * 1000,
        by: by.username,
        members,
        network,
        ...(network === undefined ? {} : { others: members.length - 1 }),
      };
      storage.sanctions = [changed, ...before.filter((each) => !isSame(each))];
    }
    const affected = [...before, changed].flatMap((each) => each.members);
    for (const member of affected) {
      const ms = this.remainingMs("ban", member);
      reserve(member, now + (ms === 0 ? nameHoldMs : ms));
    }
    publish(this.ends(affected));
    return this.#done(changed);
  }

  #done(changed?: StoredSanction, others?: number): ModerationResult {
    const sanctions = this.#inForce.map(publicPart);
    return { kind: "done", sanctions, changed: changed && publicPart(changed), others };
  }

  /** Returns the members of a member's network, unless it must not be banned. */
  #neighbors(
    member: string,
    own: string | undefined,
    mac: string | undefined,
  ): readonly string[] | undefined {
    const network = this.#storage.networks.get(member);
    if (network === undefined || network === own) return undefined;
    const members = [...this.#storage.networks].filter(([, each]) => each === network)
      .map(([each]) => each);
    const isProtected = members.some((each) =>
      each !== member && this.isModerator(each, mac) && this.#ports.isConnected(each)
    );
    return isProtected ? undefined : members;
  }

  #addSweep(
    members: readonly string[],
    since: number,
    { member, username }: ScriptArgs<"moderate">["by"],
  ): void {
    const rooms = new Map(Array.from(this.#ports.rooms, (room) => [room, Infinity]));
    this.#storage.sweeps.push({ members, since, member, username, rooms });
  }
}

function publicPart({ members: _, network: __, ...sanction }: StoredSanction): Sanction {
  return sanction;
}

function refused(code: "forbidden" | "network_protected" | "not_found"): ModerationResult {
  return { kind: "refused", code };
}

// The names and connections of members in a simulated Redis, as in claim.lua, rename.lua and
// release.lua.

import type { FeedEvent } from "../../../app/broker/redis/feed.ts";
import type { ScriptArgs, ScriptCalls, ScriptRow } from "../../../app/broker/redis/scripts.ts";
import type { SanctionStorage } from "./simulated_sanctions.ts";

interface MemberRecord {
  key: string;
  username: string;
  formerKey: string | undefined;
  hasWritten: boolean;
  heldUntil: number;
  readerHeldUntil: number;
  reservedUntil: number;
  tabMovedId: number;
  readonly nodes: Set<string>;
}

export interface NameStorage extends Pick<SanctionStorage, "networks" | "wroteAt"> {
  readonly names: Map<string, string>;
  readonly members: Map<string, MemberRecord>;
  /** The current link of each registered node. */
  readonly nodes: Map<string, string>;
  /** By node that was declared dead: when its members' holds on their names end. */
  readonly lost: Map<string, { readonly reader: number; readonly writer: number }>;
}

interface NamePorts {
  readonly now: number;
  /** The node that runs the script. */
  readonly node: string;
  /** Returns the id of the event. */
  readonly publish: (event: FeedEvent) => number;
}

/** The names in a storage, at one moment. */
export class SimulatedNames {
  readonly #storage: NameStorage;
  readonly #ports: NamePorts;

  constructor(storage: NameStorage, ports: NamePorts) {
    this.#storage = storage;
    this.#ports = ports;
  }

  /** Whether a node of the member is registered. */
  #isConnected(record: MemberRecord): boolean {
    return [...record.nodes].some((node) => this.#storage.nodes.has(node));
  }

  isConnected(member: string): boolean {
    const record = this.#storage.members.get(member);
    return record !== undefined && this.#isConnected(record);
  }

  holdsName(member: string): boolean {
    const record = this.#storage.members.get(member);
    return record !== undefined && this.#holdsName(record);
  }

  #holdsName(record: MemberRecord): boolean {
    const isHeldBy = (node: string) => {
      const { reader = 0, writer = 0 } = this.#storage.lost.get(node) ?? {};
      return (record.hasWritten ? writer : reader) > this.#ports.now;
    };
    return this.#isConnected(record) ||
      [...record.nodes].some(isHeldBy) ||
      record.reservedUntil > this.#ports.now ||
      record.readerHeldUntil > this.#ports.now ||
      record.hasWritten && record.heldUntil > this.#ports.now;
  }

  isTaken(key: string, member: string): boolean {
    const owner = this.#storage.names.get(key);
    const record = owner === undefined ? undefined : this.#storage.members.get(owner);
    return owner !== member && record !== undefined &&
      (record.key === key || record.formerKey === key) && this.#holdsName(record);
  }

  #freeName(key: string | undefined, member: string): void {
    const { names } = this.#storage;
    if (key !== undefined && names.get(key) === member) names.delete(key);
  }

  claim(args: ScriptArgs<"claim">): ScriptCalls["claim"]["reply"] {
    const { nameHoldMs, member, key, username, tab, network } = args;
    const { members, names, networks } = this.#storage;
    const record = members.get(member);
    const heldUntil = this.#ports.now + nameHoldMs;
    if (record !== undefined && this.#holdsName(record)) {
      record.nodes.delete(this.#ports.node);
      if (tab !== undefined && this.#isConnected(record)) {
        record.tabMovedId = this.#ports.publish({
          kind: "tab_moved",
          node: this.#ports.node,
          member,
          tab,
        });
      }
      record.nodes.add(this.#ports.node);
      record.heldUntil = heldUntil;
      record.readerHeldUntil = record.reservedUntil = 0;
      if (network !== undefined) networks.set(member, network);
      return { username: record.username };
    }
    if (username === "" || this.isTaken(key, member)) return {};
    this.#freeName(record?.key, member);
    this.#freeName(record?.formerKey, member);
    const nodes = new Set([this.#ports.node]);
    members.set(member, {
      key,
      username,
      formerKey: undefined,
      hasWritten: false,
      heldUntil,
      readerHeldUntil: 0,
      reservedUntil: 0,
      tabMovedId: 0,
      nodes,
    });
    names.set(key, member);
    if (network !== undefined) networks.set(member, network);
    return { username };
  }

  renewHolds(
    args: ScriptArgs<"renewHolds">,
    rows: readonly ScriptRow<"renewHolds">[],
  ): ScriptCalls["renewHolds"]["reply"] {
    const usernames = rows.map(([member, username, key]) => {
      const reservedUntil = this.#storage.members.get(member)?.reservedUntil ?? 0;
      const { username: held = null } = this.claim({ ...args, member, username, key });
      const record = this.#storage.members.get(member);
      if (record !== undefined && held !== null) record.reservedUntil = reservedUntil;
      return held;
    });
    return { usernames };
  }

  rename(
    { nameHoldMs, member, key, username, position }: ScriptArgs<"rename">,
  ): ScriptCalls["rename"]["reply"] {
    const { members, names } = this.#storage;
    const record = members.get(member);
    if (record !== undefined && record.tabMovedId > position) {
      return { renamed: false, isBehind: true };
    }
    if (!record?.nodes.has(this.#ports.node) || this.isTaken(key, member)) {
      return { renamed: false, isBehind: false };
    }
    if (record.key !== key) {
      if (record.formerKey !== key) this.#freeName(record.formerKey, member);
      [record.formerKey, record.key] = [record.key, key];
    }
    record.heldUntil = this.#ports.now + nameHoldMs;
    record.readerHeldUntil = 0;
    names.set(key, member);
    const isNew = record.username !== username;
    record.username = username;
    if (isNew) this.#ports.publish({ kind: "renamed", member, username });
    return { renamed: true, isBehind: false };
  }

  release(args: ScriptArgs<"release">): ScriptCalls["release"]["reply"] {
    const { nameHoldMs, readerHoldMs, member, isFreed } = args;
    const { members } = this.#storage;
    const record = members.get(member);
    if (!record?.nodes.delete(this.#ports.node)) return {};
    if (this.#isConnected(record)) return {};
    if (!this.#storage.wroteAt.has(member)) this.#storage.networks.delete(member);
    if (!isFreed || record.reservedUntil > this.#ports.now) {
      record.heldUntil = this.#ports.now + (isFreed ? 0 : nameHoldMs);
      record.readerHeldUntil = this.#ports.now + (isFreed ? 0 : readerHoldMs);
    } else {
      this.#freeName(record.key, member);
      this.#freeName(record.formerKey, member);
      members.delete(member);
    }
    return {};
  }
}

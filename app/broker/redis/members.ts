// The members of all nodes: their names, and the rooms where they are present.

import type { Banned, BrokerListener } from "../../chat/broker.ts";
import { usernameKey } from "../../protocol/names.ts";
import type { Feed } from "./feed.ts";
import type { RedisNode } from "./node.ts";
import type { RedisBrokerOptions } from "./options.ts";
import { LocalPresence, RemotePresence } from "./presence.ts";
import type { PresenceSnapshot } from "./presence.ts";
import type { Link } from "./redis_link.ts";

/** How long a record outlives the hold of its names, which is renewed only once an hour. */
const recordExtraTtlMs = 3 * 3_600_000;
/** Max rows per script call, so that other nodes don't wait long for it. */
const renewMaxMembers = 1_000;

/** The members of this node, with the changes that Redis has not confirmed, and of other nodes. */
export class Members {
  /** Arguments of scripts that change names. */
  readonly nameArgs: { readonly nameHoldMs: number; readonly recordTtlMs: number };
  /** Identifies the moderator code. */
  readonly #mac: string | undefined;
  readonly #node: RedisNode;
  readonly #feed: Feed;
  readonly local = new LocalPresence(() => this.publish());
  readonly remote: RemotePresence;
  /** Resolves once the pending presence changes are published. */
  #publishing: Promise<void> | undefined;
  /** The username of each member connected to this node. */
  readonly #names = new Map<string, string>();
  /** Members whose release Redis has not confirmed yet; true if it frees their names. */
  readonly #unreleased = new Map<string, boolean>();
  /** Pending claims, each with the remaining time of a ban reported since the claim was sent. */
  readonly #claims = new Set<{ readonly member: string; bannedMs: number }>();

  constructor(
    { nameHoldMs, moderatorMac }: RedisBrokerOptions,
    node: RedisNode,
    feed: Feed,
    listener: () => BrokerListener | undefined,
  ) {
    this.nameArgs = { nameHoldMs, recordTtlMs: nameHoldMs + recordExtraTtlMs };
    this.#mac = moderatorMac?.("");
    this.#node = node;
    this.#feed = feed;
    this.remote = new RemotePresence(listener);
  }

  /** Publishes the changes of one turn together. Changes made meanwhile follow in the next call. */
  publish(): void {
    const link = this.#node.link.current;
    if (this.#publishing !== undefined || link === undefined) return;
    const publish = async () => {
      await Promise.resolve();
      for (let changes; link.isOpen && (changes = this.local.takeChanges()).length > 0;) {
        const rows = changes.map((change) => {
          const detail = change.kind === "joined" ? change.username : change.reason;
          return [change.kind, change.room, change.member, detail] as const;
        });
        await this.#node.run("publishPresence", {}, rows, link);
      }
      this.#publishing = undefined;
    };
    this.#publishing = publish().catch((error) => {
      this.#publishing = undefined;
      // The next link publishes the rest.
      link.lose(error);
    });
  }

  async claim(
    member: string,
    username: string | undefined,
    tab?: string,
    network?: string,
  ): Promise<string | undefined | Banned> {
    this.#unreleased.delete(member);
    const names = { ...this.nameArgs, ...nameOf(member, username ?? "") };
    const claim = { member, bannedMs: 0 };
    this.#claims.add(claim);
    try {
      const reply = await this.#node.run("claim", { ...names, tab, network, mac: this.#mac });
      // This node must first see that the previous holder of the name left.
      await this.#feed.reached(reply.feed);
      const retryAfter = reply.bannedMs ?? claim.bannedMs;
      if (retryAfter > 0) return { kind: "banned", retryAfter };
      if (reply.username !== undefined) this.#names.set(member, reply.username);
      return reply.username;
    } finally {
      this.#claims.delete(claim);
    }
  }

  /** Applies a ban to the pending claims of a member. */
  banned(member: string, remainingMs: number): void {
    for (const claim of this.#claims) {
      if (claim.member === member) claim.bannedMs = remainingMs;
    }
  }

  async rename(member: string, username: string, isWanted: () => boolean): Promise<boolean> {
    const args = { ...this.nameArgs, ...nameOf(member, username) };
    for (;;) {
      const { position } = this.#feed;
      const { renamed, isBehind, feed } = await this.#node.run("rename", { ...args, position });
      await this.#feed.reached(feed);
      if (renamed) this.#names.set(member, username);
      if (!isBehind || !isWanted()) return renamed;
    }
  }

  /** Applies a rename, through this node or another one. */
  renamed(member: string, username: string): void {
    if (this.#names.has(member)) this.#names.set(member, username);
    this.remote.rename(member, username);
  }

  async release(member: string, isFreed: boolean): Promise<void> {
    this.#names.delete(member);
    this.#unreleased.set(member, isFreed);
    // The other nodes must see that the member left before anyone else can claim its name.
    await this.#publishing;
    const hasReturned = !this.#unreleased.has(member);
    if (hasReturned) return;
    const { readerHoldMs } = this.#node;
    await this.#node.run("release", { ...this.nameArgs, member, readerHoldMs, isFreed });
    this.#unreleased.delete(member);
  }

  /** Repeats the releases that Redis has not confirmed. */
  releaseAgain(link: Link): void {
    for (const [member, isFreed] of this.#unreleased) {
      this.release(member, isFreed).catch((error) => link.lose(error));
    }
  }

  /**
   * Renews the holds of the names of all connected members. Returns false if another member has one
   * of the names.
   */
  async renewHolds(link: Link): Promise<boolean> {
    const members = [...this.#names.keys()];
    for (let i = 0; i < members.length; i += renewMaxMembers) {
      const rows = members.slice(i, i + renewMaxMembers).flatMap((member) => {
        const username = this.#names.get(member);
        const isReleased = username === undefined;
        return isReleased ? [] : [[member, username, usernameKey(username)] as const];
      });
      const { usernames } = await this.#node.run("renewHolds", this.nameArgs, rows, link);
      for (const [j, [member, username]] of rows.entries()) {
        const held = usernames[j];
        if (held === null) return false;
        const isRenamed = held !== undefined && held !== username;
        // The reply to a completed rename was lost, unless a later one is already known.
        if (isRenamed && this.#names.get(member) === username) this.renamed(member, held);
      }
    }
    return true;
  }

  /** Brings local and remote presence up to date with a snapshot from Redis. */
  resume(presence: PresenceSnapshot): void {
    const { [this.#node.name]: own = [], ...others } = presence;
    this.remote.reconcile(others);
    this.local.resume(own);
  }

  /** Forgets this node's members, without publishing or releasing anything. */
  clear(): void {
    this.local.clear();
    this.#names.clear();
    this.#unreleased.clear();
  }
}

function nameOf(member: string, username: string) {
  return { member, username, key: usernameKey(username) };
}

// This node in Redis: its name, its lease, and the scripts that it runs.

import { hubLimits } from "../../protocol/wire.ts";
import type { RedisBrokerOptions } from "./options.ts";
import type { ReconnectingLink } from "./reconnecting_link.ts";
import type { Link } from "./redis_link.ts";
import { feedMaxBytes } from "./scripts.ts";
import type { ScriptArgs, ScriptName, ScriptReply, ScriptRow } from "./scripts.ts";

export const leaseExpired = "the lease of this node has expired";

/** One node as the others know it. */
export class RedisNode {
  readonly link: ReconnectingLink;
  readonly #options: RedisBrokerOptions;
  /** Replaced when the other nodes have declared this node dead. */
  name: string;
  isRegistered = false;
  epoch = "";
  /** How long the names of a member that never wrote are held. */
  readonly readerHoldMs: number;

  constructor(options: RedisBrokerOptions, link: ReconnectingLink) {
    this.#options = options;
    this.link = link;
    this.name = options.randomName();
    this.readerHoldMs = Math.min(options.nameHoldMs, hubLimits.readerHoldMs);
  }

  /** Becomes a new node. */
  reset(): void {
    this.name = this.#options.randomName();
    this.isRegistered = false;
  }

  /** Runs a script. Gives up the link if the node is fenced or the log was replaced. */
  async run<Name extends ScriptName>(
    name: Name,
    args: ScriptArgs<Name>,
    rows: readonly ScriptRow<Name>[] = [],
    link = this.link.require(),
  ): Promise<ScriptReply<Name>> {
    const now = this.#options.now?.();
    const common = {
      node: this.name,
      link: link.name,
      feedMaxBytes,
      ...(now === undefined ? {} : { now }),
    };
    const reply = await link.run(name, { ...common, ...args }, rows);
    if (reply.fenced === true) throw loseLink(link, leaseExpired);
    // The link is the same, so Redis was emptied or a proxy has switched to another Redis.
    if (link === this.link.current && reply.epoch !== this.epoch) {
      throw loseLink(link, "its log was replaced");
    }
    return reply;
  }

  /** Renews the lease three times per `leaseMs`, until the link is lost. */
  renewLease(link: Link, onRenewed: (reply: ScriptReply<"renewLease">) => void): void {
    const { leaseMs, nameHoldMs, later } = this.#options;
    const args = { leaseMs, nameHoldMs, readerHoldMs: this.readerHoldMs };
    let cancel = () => {};
    const renewLater = () => {
      cancel = later(leaseMs / 3, async () => {
        // Don't wait for the reply: Redis takes a late renewal for a jump of its clock.
        renewLater();
        try {
          onRenewed(await this.run("renewLease", args, [], link));
        } catch (error) {
          this.link.failed(error);
        }
      });
    };
    renewLater();
    void link.lost.then(() => cancel());
  }
}

function loseLink(link: Link, reason: string): Error {
  const error = new Error(`Cannot continue with Redis: ${reason}`);
  link.lose(error);
  return error;
}

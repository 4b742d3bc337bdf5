// Moderation: the moderator code, the commands of moderators and the operator, and the sweeps that
// bans start.

import type { Command, ErrorPush, ModeratorCommand, Push } from "../protocol/wire.ts";
import { AccessGuard } from "./access.ts";
import type { Moderation as Store, ModerationResult, Moderator } from "./broker.ts";
import type { HubCore } from "./hub_core.ts";
import { whenDone } from "./outcome.ts";
import { refusal, storageUnavailable } from "./refusals.ts";
import type { ActiveSession, PeerAddress } from "./session.ts";

/** Pause between the steps of a sweep. */
const sweepStepMs = 10;
/** Delay before a failed sweep step is retried. */
const sweepRetryMs = 1_000;

/** The operator, as author of deletions and in the list of sanctions. */
const operator: Moderator = { member: "operator", username: "Operator", isOperator: true };

export class Moderation {
  readonly #hub: HubCore;
  readonly #guard: AccessGuard;
  /** Undefined if the chat has no moderation. */
  readonly #store: Store | undefined;
  #cancelSweep: (() => void) | undefined;
  /** Whether the last step of a sweep failed. */
  #hasSweepFailed = false;
  #isStopped = false;
  /** Messages deleted since sweeping began. */
  #swept = 0;

  constructor(hub: HubCore) {
    const { clock, broker, moderatorAccess } = hub.ports;
    this.#hub = hub;
    this.#store = moderatorAccess && broker.moderation;
    this.#guard = new AccessGuard(clock, moderatorAccess ?? (() => false), "moderate");
    // A previous server may have left unfinished sweeps.
    this.continueSweep();
  }

  /** Resumes pending sweeps, unless one is running. */
  continueSweep(): void {
    this.#sweepAfter(sweepStepMs);
  }

  /** Returns a client's network if moderators may ban it. */
  networkOf({ network, isBannable }: PeerAddress): string | undefined {
    return isBannable === true && this.#store !== undefined ? network : undefined;
  }

  /** Returns how much longer a member is muted, in ms; 0 if it isn't. */
  mutedFor(member: string): number {
    return this.#hub.ports.broker.moderation?.mutedFor(member) ?? 0;
  }

  /** Sends `moderator` to the session of a moderator. */
  greet({ session, member }: ActiveSession): void {
    const { ports: { log }, outbound } = this.#hub;
    const store = this.#store;
    if (store === undefined) return;
    whenDone(log, "moderation_failed", () => store.isModerator(member.id), (isModerator) => {
      if (isModerator) outbound.queue(session, { type: "moderator" });
    });
  }

  /** Makes a member a moderator if the code is right. */
  appoint({ session, member, payer }: ActiveSession, code: string): void {
    const { ports: { log }, outbound, sessions } = this.#hub;
    const fields = { session: session.id, name: member.username, member: member.id };
    const store = this.#store;
    const denied = this.#guard.check(payer, code, false);
    if (denied !== undefined || store === undefined) {
      log.warn("moderator_denied", { ...fields, address: session.peer.address }, payer.network);
      return sessions.refuse(session, denied ?? refusal({ re: "moderate" }, "moderator_denied"));
    }
    sessions.hold(
      session,
      "moderation_failed",
      () => store.appoint(member.id),
      () => {
        log.event("moderator_appointed", fields);
        outbound.queue(session, { type: "moderator" });
      },
      () => sessions.refuse(session, storageUnavailable({ re: "moderate" })),
    );
  }

  moderate(active: ActiveSession, command: ModeratorCommand): void {
    const { outbound, sessions } = this.#hub;
    const { session, payer, member: { id, username } } = active;
    const by = { member: id, username, network: session.peer.network };
    const store = this.#store;
    if (store === undefined) return sessions.refuse(session, notModerator(command.type));
    if (!sessions.tryCharge(session, payer, { re: command.type })) return;
    sessions.hold(
      session,
      "moderation_failed",
      () => store.moderate(command, by),
      (result) => {
        const push = this.#replyTo(command, by, result);
        if (push.type === "error") sessions.refuse(session, push);
        else outbound.queue(session, push);
      },
      () => sessions.refuse(session, storageUnavailable({ re: command.type })),
    );
  }

  /** Runs a command of the operator. Rejects while storage is unavailable. */
  async operate(peer: PeerAddress, code: string, command: Command): Promise<Push> {
    const { broker } = this.#hub.ports;
    const store = this.#store;
    const denied = this.#guard.check({ ...peer, member: "" }, code, false);
    if (denied !== undefined) return denied;
    if (store === undefined) return notModerator(command.type);
    if (isModeratorCommand(command)) {
      return this.#replyTo(command, operator, await store.moderate(command, operator));
    }
    if (command.type !== "delete") return notModerator(command.type);
    const { type, room, offset, nonce } = command;
    const { member, username: from } = operator;
    const [result] = await broker.append([
      { type, room, member, from, targets: [offset], nonce, isModerator: true },
    ]);
    const about = { re: type, room, nonce };
    if (result?.kind === "not_found") return refusal(about, result.kind);
    if (result === undefined || !("offset" in result)) return storageUnavailable(about);
    this.#hub.ports.log.event("message_removed", { by: member, room, offset });
    return { type: "ack", room, nonce, offset: result.offset };
  }

  /** Drops counts of wrong codes that have expired. */
  sweep(): void {
    this.#guard.sweep();
  }

  /** Number of buckets that count wrong codes. */
  get size(): number {
    return this.#guard.size;
  }

  /** Logs the result of a command, starts the sweep that it requested, and returns the reply. */
  #replyTo(command: ModeratorCommand, by: Moderator, result: ModerationResult): Push {
    const { type } = command;
    if (result.kind === "refused") {
      const isOwnBan = type === "ban" && command.member === by.member;
      return result.code === "forbidden" && !isOwnBan
        ? notModerator(type)
        : refusal({ re: type }, result.code);
    }
    const { sanctions, changed, others } = result;
    if (type === "neighbors") {
      const { member } = command;
      return { type, member, ...(others === undefined ? {} : { others }) };
    }
    if (type !== "sanctions") {
      this.#hub.ports.log.event(events[type], {
        by: by.member,
        moderator: by.username,
        member: changed?.member ?? ("member" in command ? command.member : undefined),
        name: changed?.username || undefined,
        kind: type === "lift" ? changed?.kind : undefined,
        until: changed && new Date(changed.until).toISOString(),
        others: changed?.others,
        seconds: type === "sweep" ? command.seconds : undefined,
        deletes: type === "ban" ? command.deleteMessages : undefined,
      });
    }
    if (type === "ban" || type === "sweep") this.#sweepAfter(0);
    return { type: "sanctions", sanctions };
  }

  /** Stops sweeping. The next server resumes pending sweeps. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelSweep?.();
  }

  #sweepAfter(ms: number): void {
    const { scheduler, broker: { moderation } } = this.#hub.ports;
    if (moderation === undefined || this.#isStopped || this.#cancelSweep !== undefined) return;
    this.#cancelSweep = scheduler.later(ms, () => this.#takeSweepStep(moderation));
  }

  #takeSweepStep(store: Store): void {
    const { log } = this.#hub.ports;
    const again = (ms: number) => {
      this.#cancelSweep = undefined;
      this.#sweepAfter(ms);
    };
    // Logged once, however often the step is retried.
    const event = this.#hasSweepFailed ? undefined : "sweep_failed";
    whenDone(log, event, () => store.sweep(), ({ deleted, hasMore }) => {
      if (this.#hasSweepFailed) log.event("sweep_recovered", {});
      this.#hasSweepFailed = false;
      this.#swept += deleted;
      if (hasMore) return again(sweepStepMs);
      if (this.#swept > 0) log.event("messages_swept", { messages: this.#swept });
      this.#swept = 0;
      this.#cancelSweep = undefined;
    }, () => {
      this.#hasSweepFailed = true;
      again(sweepRetryMs);
    });
  }
}

/** Log events of the commands that change something. */
const events = {
  mute: "member_muted",
  ban: "member_banned",
  lift: "sanction_lifted",
  sweep: "sweep_started",
} as const;

const queries: ReadonlySet<string> = new Set(["sanctions", "neighbors"]);

/** Returns whether only moderators and the operator may send a command. */
export function isModeratorCommand(command: Command): command is ModeratorCommand {
  return command.type in events || queries.has(command.type);
}

function notModerator(re: string): ErrorPush {
  return { ...refusal({ re }, "forbidden"), message: "Only moderators can do this" };
}

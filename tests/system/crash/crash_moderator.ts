// The moderator of a crash test: it mutes, bans, lifts and sweeps, deletes messages of others and
// locks titles, and records the confirmed commands.

import type { ModeratorCommand, Push, Sanction } from "../../../app/protocol/wire.ts";
import { Client } from "./crash_client.ts";
import type { ClientOptions } from "./crash_client.ts";

export const moderatorCode = "keep-the-peace";

/** Each sanction lasts up to this long, which is many rounds. */
const maxSeconds = 30;
const retryMs = 100;

export class CrashModerator {
  readonly #options: ClientOptions;
  readonly client: Client;
  /** The members to sanction. */
  readonly #targets: () => readonly string[];
  #pending: { readonly command: ModeratorCommand; readonly sentAt: number } | undefined;
  #isModerator = false;
  /** Whether this connection has been told that its member is a moderator. */
  #isReady = false;
  /** The sanctions in force when the server last sent them; absent before. */
  #sanctions: readonly Sanction[] | undefined;

  constructor(
    options: Omit<ClientOptions, "onWelcome" | "onPush" | "onDisconnect">,
    targets: () => readonly string[],
  ) {
    this.#options = options;
    this.#targets = targets;
    this.client = new Client({
      ...options,
      onWelcome: () => this.#onWelcome(),
      onPush: (push) => this.#onPush(push),
      onDisconnect: () => this.#onDisconnect(),
    });
  }

  /** Whether the server has confirmed that there are no sanctions. */
  get isAtRest(): boolean {
    return this.#isReady && this.#pending === undefined && this.#sanctions?.length === 0;
  }

  /** Sends a random command, or puts a random entry into the outbox. */
  act(room: string, title: string): void {
    const { random } = this.#options;
    const member = random.pick(this.#targets());
    const kind = random.below(16);
    if (kind < 3) return this.client.remove(room);
    if (kind < 5) return this.client.title(room, random.isTrue(0.3) ? "" : title, true);
    if (kind < 6) return this.client.title(room, title);
    if (member === undefined || kind < 7) return this.#send({ type: "sanctions" });
    const seconds = 1 + random.below(maxSeconds);
    if (kind < 9) return this.#send({ type: "mute", member, seconds });
    if (kind < 11) {
      const deleteMessages = random.isTrue(0.5);
      return this.#send({ type: "ban", member, seconds, deleteMessages, network: false });
    }
    if (kind < 12) return this.#send({ type: "sweep", member, seconds });
    this.lift();
  }

  /** Lifts a sanction that the server has listed, or asks for the list. */
  lift(): void {
    const sanction = this.#options.random.pick(this.#sanctions ?? []);
    this.#send(sanction === undefined ? { type: "sanctions" } : { type: "lift", id: sanction.id });
  }

  /** Sends a command, unless one is pending. */
  #send(command: ModeratorCommand): void {
    if (!this.#isReady || this.#pending !== undefined) return;
    this.#options.ledger.sanctions.onSent(command);
    this.#pending = { command, sentAt: Date.now() };
    this.client.command({ ...command });
  }

  #onWelcome(): void {
    this.#options.ledger.sanctions.moderators.add(this.client.member);
    // The role survives every restart.
    if (!this.#isModerator) this.client.command({ type: "moderate", code: moderatorCode });
  }

  #onDisconnect(): void {
    const { ledger, urls } = this.#options;
    this.#isReady = false;
    // A dead process carries out nothing, but a node that hangs may continue later.
    if (this.#pending !== undefined && urls.length > 1) ledger.sanctions.onUncertain();
    this.#pending = undefined;
  }

  #onPush(push: Push): boolean {
    const { ledger } = this.#options;
    const { sanctions } = ledger;
    if (push.type === "moderator") {
      this.#isModerator = this.#isReady = true;
      this.#send({ type: "sanctions" });
      return true;
    }
    if (push.type === "sanctions") {
      this.#sanctions = push.sanctions;
      if (this.#pending !== undefined) {
        const { command, sentAt } = this.#pending;
        sanctions.onConfirmed(command, sentAt, push.sanctions);
      }
      sanctions.onList(push.sanctions);
      this.#pending = undefined;
      ledger.counts.moderated++;
      return true;
    }
    if (push.type !== "error") return false;
    if (push.re === "moderate") {
      if (push.code !== "storage_unavailable") return false;
      setTimeout(() => this.client.isConnected && this.#onWelcome(), retryMs);
      return true;
    }
    if (this.#pending?.command.type !== push.re) return false;
    // The server may have carried it out, or may do so later.
    if (push.code === "storage_unavailable") sanctions.onUncertain();
    // A sanction to lift may have ended by itself.
    else if (push.re !== "lift" || push.code !== "not_found") return false;
    this.#sanctions = undefined;
    this.#pending = undefined;
    return true;
  }
}

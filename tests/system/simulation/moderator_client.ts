// A simulated moderator: mutes, bans, lifts and sweeps, locks, removes and unlocks a title, and
// records the confirmed commands.

import type { ModeratorCommand, Push, Sanction } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import type { Deployment } from "./deployment.ts";
import { tokenStart, untitle } from "./moderator.ts";
import { SimulatedConnection } from "./network.ts";
import type { SanctionLedger } from "./sanction_ledger.ts";
import type { Timeline } from "./timeline.ts";

export const moderatorCode = "code";
const replyTimeoutMs = 30_000;
const banSweepMs = 3_600_000;

export interface ModeratorOptions {
  readonly time: Timeline;
  readonly random: SeededRandom;
  readonly deployment: Deployment;
  readonly ledger: SanctionLedger;
  /** The members to sanction. */
  readonly targets: readonly string[];
  /** The room whose title it sets. */
  readonly room: string;
}

/** A command without a reply, and when it was sent. */
interface PendingCommand {
  readonly command: ModeratorCommand;
  readonly sentAt: number;
  readonly sentWall: number;
}

/** A client that keeps sending moderation commands, and reconnects when its connection is lost. */
export class ModeratorClient {
  readonly #options: ModeratorOptions;
  #connection: SimulatedConnection | undefined;
  #connections = 0;
  #isReady = false;
  #isStopped = false;
  #titles = 0;
  #pending: PendingCommand | undefined;
  /** The sanctions in force when the server last sent them; absent before. */
  #sanctions: readonly Sanction[] | undefined;

  constructor(options: ModeratorOptions) {
    this.#options = options;
    this.#connect();
    this.#watch();
  }

  /** Whether the last list of the server was empty, and nothing is pending. */
  get isAtRest(): boolean {
    return this.#pending === undefined && this.#sanctions?.length === 0;
  }

  /** Whether the server has confirmed everything sent. */
  get isIdle(): boolean {
    return this.#isReady && this.#pending === undefined;
  }

  /** Sends a random command. */
  act(): void {
    const { random, targets } = this.#options;
    const member = random.pick(targets);
    if (member === undefined) return;
    const seconds = 1 + random.below(120);
    const kind = random.below(12);
    if (kind >= 10) return this.#setTitle();
    const sanction = random.pick(this.#sanctions ?? []);
    if (kind < 3) this.send({ type: "mute", member, seconds });
    else if (kind < 6) {
      const [deleteMessages, network] = [random.isTrue(0.5), random.isTrue(0.4)];
      this.send({ type: "ban", member, seconds, deleteMessages, network });
    } else if (kind < 8 && sanction !== undefined) this.send({ type: "lift", id: sanction.id });
    else if (kind < 9) this.send({ type: "sweep", member, seconds });
    else this.send({ type: "sanctions" });
  }

  /**
   * Sets or removes the title of its room, and locks or unlocks it. It does not wait for a reply.
   */
  #setTitle(): void {
    const { random, room } = this.#options;
    const isRemoved = random.isTrue(0.2);
    const nonce = `${isRemoved ? untitle : "title"}${++this.#titles}`;
    const text = isRemoved ? "" : `Title bare-${tokenStart}-${this.#titles}.`;
    // The log doesn't tell whether a removed title is locked.
    const locked = !isRemoved && random.isTrue(0.7) ? true : undefined;
    if (this.#isReady) this.#write({ type: "title", room, text, locked, nonce });
  }

  /** Lifts a sanction that the server still lists, or asks for the list. */
  lift(): void {
    const [sanction] = this.#sanctions ?? [];
    this.send(sanction === undefined ? { type: "sanctions" } : { type: "lift", id: sanction.id });
  }

  /** Sends a command, unless one is pending. */
  send(command: ModeratorCommand): void {
    if (!this.isIdle) return;
    const { time, ledger, targets } = this.#options;
    this.#pending = { command, sentAt: time.ms, sentWall: time.wall() };
    const { type } = command;
    if (type === "lift") ledger.onChangeSent(({ id }) => id === command.id);
    else if (type === "mute" || type === "ban") {
      ledger.onChangeSent(({ kind, member }) => kind === type && member === command.member);
    }
    if (type === "sweep") ledger.onSweepSent([command.member]);
    if (type === "ban" && command.deleteMessages) {
      ledger.onSweepSent(command.network ? targets : [command.member]);
    }
    this.#connection?.sendToServer(JSON.stringify(command));
  }

  /** Leaves for good. */
  stop(): void {
    this.#isStopped = true;
    this.#connections++;
    this.#connection?.closeFromClient(1001);
  }

  #connect(): void {
    if (this.#isStopped) return;
    const { time, random, deployment, ledger, room } = this.#options;
    if (this.#pending !== undefined) ledger.forget();
    this.#pending = undefined;
    this.#isReady = false;
    this.#connection?.closeFromClient(1001);
    const number = ++this.#connections;
    const ifCurrent = (task: () => void) => {
      if (number === this.#connections) task();
    };
    const connection = new SimulatedConnection(time, random, {
      onOpen: () =>
        ifCurrent(() => {
          const token = tokenStart.padEnd(43, "-");
          this.#write({ type: "hello", username: "Mona", token, rooms: [{ room }] });
          this.#write({ type: "moderate", code: moderatorCode });
          this.#pending = undefined;
        }),
      onFrame: (frame) =>
        ifCurrent(() => {
          const pushes = JSON.parse(String(frame)) as readonly Push[];
          if (pushes.length === 0) this.#write({ type: "pong" });
          for (const push of pushes) this.#take(push);
        }),
      onClose: () => ifCurrent(() => this.#connectLater(number)),
    });
    this.#connection = connection;
    connection.connect(deployment.acceptor, "198.51.100.1");
  }

  #connectLater(number: number): void {
    const { time, random } = this.#options;
    time.later(random.delay(3_000), () => {
      if (number === this.#connections) this.#connect();
    });
  }

  /** Connects again when a reply is late, or when it has not become a moderator. */
  #watch(): void {
    const { time } = this.#options;
    const isLate = this.#pending !== undefined && time.ms - this.#pending.sentAt > replyTimeoutMs;
    if (isLate || !this.#isReady) this.#connect();
    if (!this.#isStopped) time.later(replyTimeoutMs / 2, () => this.#watch());
  }

  #write(command: object): void {
    this.#connection?.sendToServer(JSON.stringify(command));
  }

  #take(push: Push): void {
    const { ledger } = this.#options;
    switch (push.type) {
      case "moderator":
        this.#isReady = true;
        return;
      case "sanctions":
        this.#sanctions = push.sanctions;
        ledger.confirm(push.sanctions);
        this.#confirmSweep();
        this.#pending = undefined;
        return;
      case "error":
        if (push.re === "hello") return this.#connectLater(this.#connections);
        if (push.re !== this.#pending?.command.type) return;
        // The server may have carried it out, or may do so later.
        if (push.code === "storage_unavailable") ledger.forget();
        // It has ended by itself.
        if (push.code === "not_found") this.#sanctions = undefined;
        this.#pending = undefined;
    }
  }

  #confirmSweep(): void {
    if (this.#pending === undefined) return;
    const { ledger, time } = this.#options;
    const { command, sentWall } = this.#pending;
    // The server's clock when it carried out the command is between the two, unless it was set.
    const now = Math.max(sentWall, time.wall());
    if (command.type === "sweep") ledger.confirmSweep(command.member, now - command.seconds * 1000);
    if (command.type === "ban" && command.deleteMessages) {
      ledger.confirmSweep(command.member, now - banSweepMs);
    }
  }
}

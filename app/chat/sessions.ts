// The open sessions: refuses, charges and holds back their commands, and closes them.

import { closeCode } from "../protocol/wire.ts";
import type { Command, ErrorPush, LeftReason } from "../protocol/wire.ts";
import type { Outcome } from "./broker.ts";
import type { Outbound } from "./outbound.ts";
import { whenDone } from "./outcome.ts";
import type { HubPorts } from "./ports.ts";
import type { Quotas } from "./quotas.ts";
import { rateLimited } from "./refusals.ts";
import type { About } from "./refusals.ts";
import type { ActiveSession, Payer, Session } from "./session.ts";
import type { Writer } from "./writer.ts";

/** Timeout after a refused `hello`, while a person chooses another name. */
const nextHelloTimeoutMs = 60_000;
/** Max refused hellos before a session is closed. */
const maxRefusedHellos = 5;
/** Time per thousand sessions over which clients spread their attempts to reconnect. */
const spreadMsPerThousand = 1_000;

interface SessionsOptions {
  readonly ports: HubPorts;
  readonly quotas: Quotas;
  readonly outbound: Outbound;
  readonly writer: Writer;
  /** Handles a command that was held back. */
  readonly handle: (session: Session, command: Command) => void;
  /** Called when a session with a member is forgotten. */
  readonly onForget: (active: ActiveSession, reason: LeftReason | undefined) => void;
}

/** The sessions of this node that are not closing. */
export class Sessions extends Set<Session> {
  readonly #options: SessionsOptions;
  /** Number of broker calls that hold back commands. */
  #holds = 0;
  #onReleased: (() => void) | undefined;

  constructor(options: SessionsOptions) {
    super();
    this.#options = options;
  }

  /** Time over which clients should spread their attempts when all reconnect. */
  get reconnectSpreadMs(): number {
    return Math.ceil(this.size / 1_000) * spreadMsPerThousand;
  }

  /** Refuses a command. Closes a session with too many refused commands or hellos. */
  refuse(session: Session, push: ErrorPush): void {
    const { state } = session;
    const { ports: { clock, log, meter }, outbound } = this.#options;
    if (state.kind === "closing") return;
    meter?.refusal(push.code);
    outbound.queue(session, push);
    if (state.kind === "greeting" && push.re === "hello") {
      const { id, peer: { address, network } } = session;
      log.event("hello_refused", { session: id, address, code: push.code }, network);
      const refusals = state.refusals + 1;
      if (refusals >= maxRefusedHellos) {
        return this.end(session, closeCode.noHello, "too many refused hellos");
      }
      session.state = { kind: "greeting", deadline: clock.now() + nextHelloTimeoutMs, refusals };
    }
    this.countRefusal(session);
  }

  /** Counts a refused command, and closes a session that is flooding. */
  countRefusal(session: Session): void {
    if (!this.#options.quotas.countRefusal(session)) return;
    this.end(session, closeCode.flooding, "too many refused commands");
  }

  /** Charges a command, or refuses it and returns false if the payer's quota is used up. */
  tryCharge(session: Session, payer: Payer, about: About): boolean {
    const retryAfter = this.#options.quotas.takeCommandBytes(payer);
    if (retryAfter > 0) this.refuse(session, rateLimited(about, "bytes", retryAfter));
    return retryAfter === 0;
  }

  /**
   * Calls the broker through `call`, and holds back the session's further commands until the
   * result is handled. Logs an error as `event`.
   */
  hold<T>(
    session: Session,
    event: string,
    callBroker: () => Outcome<T>,
    onResult: (value: T) => void,
    onError: () => void,
    call = whenDone,
  ): void {
    const { ports: { log }, handle } = this.#options;
    session.held = [];
    this.#holds++;
    const finish = (task: () => void) => {
      const held = session.held ?? [];
      session.held = undefined;
      this.#holds--;
      task();
      for (const next of held) {
        if (typeof next === "function") this.afterCommands(session, next);
        else handle(session, next);
      }
      this.#onReleased?.();
    };
    call(log, event, callBroker, (value) => finish(() => onResult(value)), () => {
      finish(onError);
    });
  }

  /** Whether any commands are held back. */
  get isHolding(): boolean {
    return this.#holds > 0;
  }

  /** Resolves once the held commands of any session have been handled. */
  whenReleased(): Promise<void> {
    return new Promise((resolve) => this.#onReleased = resolve);
  }

  /**
   * Runs a task once the session's earlier commands have taken effect and its messages are stored,
   * so that rooms receive those first.
   */
  afterCommands(session: Session, task: () => void): void {
    const { held, state } = session;
    if (held !== undefined) return void held.push(task);
    const written = state.kind === "active" ? this.#options.writer.written(state) : undefined;
    if (written === undefined) task();
    else this.hold(session, "internal", () => written, task, task);
  }

  /** Closes a session and forgets it at once: the close event of a stuck peer may never come. */
  end(session: Session, code: number, reason: string): void {
    const { ports: { log, meter }, outbound } = this.#options;
    // Send this tick's refusals and acks first, except to a peer that does not read.
    if (code !== closeCode.slowConsumer) outbound.sendQueued(session);
    if (session.state.kind === "closing") return;
    const { id, peer: { address, network }, username: name } = session;
    if (code === closeCode.replaced) log.event("session_replaced", { session: id, name }, network);
    else if (code !== closeCode.restarting) {
      log.warn("close", { session: id, address, name, code, reason }, network);
    }
    meter?.close(code);
    this.forget(session, undefined);
    session.closed = { code, reason };
    session.socket.close(code, reason);
  }

  /** Closes the session of a slow consumer. */
  endSlow(session: Session): void {
    this.end(session, closeCode.slowConsumer, "too slow to keep up");
  }

  /** Closes all sessions; their clients reconnect. */
  endAll(): void {
    const spreadMs = String(this.reconnectSpreadMs);
    for (const session of this) this.end(session, closeCode.restarting, spreadMs);
  }

  /** Removes a session. With a reason, its member leaves; without one, the grace period begins. */
  forget(session: Session, reason: LeftReason | undefined): void {
    const { state } = session;
    const { outbound, onForget } = this.#options;
    if (state.kind === "closing") return;
    session.state = { kind: "closing", username: session.username };
    session.held = undefined;
    this.delete(session);
    outbound.drop(session);
    if (state.kind === "active") onForget(state, reason);
  }
}

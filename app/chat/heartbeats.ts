// Heartbeats, which keep connections open through proxies, and the timeouts of sessions (SPEC.md, P8
// and C3 to C4).

import { closeCode } from "../protocol/wire.ts";
import type { Outbound } from "./outbound.ts";
import type { Clock } from "./ports.ts";
import type { Session } from "./session.ts";

const heartbeatMs = 25_000;
/** Heartbeat interval of a client that only answers heartbeats. Many proxies time out at 60 s. */
export const idleHeartbeatMs = 45_000;
/** Min time between pings. A ping that comes sooner counts as a refusal. */
const pingMinMs = 1_000;
/** A session that sends nothing for this long is closed. */
export const silenceMs = 60_000;

/** Returns when the session with this number gets its first heartbeat. */
export function firstHeartbeatAt(now: number, count: number): number {
  // Stagger heartbeats, so that clients that connected together don't stay in lockstep.
  return now + heartbeatMs - (count % 25) * (heartbeatMs / 25);
}

export interface HeartbeatsOptions {
  readonly clock: Clock;
  readonly outbound: Pick<Outbound, "sendFrame">;
  readonly end: (session: Session, code: number, reason: string) => void;
  /** Counts a refused command of a session, which may be flooding. */
  readonly countRefusal: (session: Session) => void;
}

/** Sends heartbeats, checks the replies, and closes sessions that time out. */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Sends the heartbeat that a client has asked for. */
  ping(session: Session): void {
    const { clock, outbound, countRefusal } = this.#options;
    const { heartbeat } = session;
    const now = clock.now();
    if (session.state.kind === "closing") return;
    heartbeat.unanswered++;
    outbound.sendFrame(session, "[]");
    if (now < heartbeat.pingableAt) countRefusal(session);
    heartbeat.pingableAt = now + pingMinMs;
  }

  /** Counts a reply to a heartbeat. */
  pong(session: Session): void {
    if (session.heartbeat.unanswered > 0) session.heartbeat.unanswered--;
    else this.#options.countRefusal(session);
  }

  /** Closes a session that has timed out, or sends its heartbeat if that is due. */
  check(session: Session, now: number): void {
    const { outbound, end } = this.#options;
    const { state, heartbeat } = session;
    if (state.kind === "greeting" && now >= state.deadline) {
      end(session, closeCode.noHello, "no hello accepted in time");
    } else if (now - heartbeat.heardAt >= silenceMs) {
      end(session, closeCode.timeout, "no frame received in time");
    } else if (now >= heartbeat.dueAt) {
      // The answer to the last heartbeat is a command too.
      const isIdle = session.commandCount - heartbeat.commandCount <= 1;
      heartbeat.dueAt += isIdle ? idleHeartbeatMs : heartbeatMs;
      heartbeat.commandCount = session.commandCount;
      heartbeat.unanswered++;
      outbound.sendFrame(session, "[]");
    }
  }
}

// Heartbeats, which keep connections open through proxies, and timeouts of sessions. SPEC.md, P8,
// C3 and C4.

import { closeCode } from "../protocol/wire.ts";
import type { HubCore } from "./hub_core.ts";
import type { Session } from "./session.ts";

const heartbeatMs = 25_000;
/** Heartbeat interval of an idle client. Many proxies time out at 60 s. */
export const idleHeartbeatMs = 45_000;
/** Min time between pings. An earlier ping counts as a refused command. */
const pingMinMs = 1_000;
/** A session that sends nothing for this long is closed. */
export const silenceMs = 60_000;

/** Returns when the session with this number gets its first heartbeat. */
export function firstHeartbeatAt(now: number, count: number): number {
  // Stagger heartbeats, so that clients that connected together don't stay in lockstep.
  return now + heartbeatMs - (count % 25) * (heartbeatMs / 25);
}

/** Sends heartbeats, checks the replies, and closes sessions that time out. */
export class Heartbeats {
  readonly #hub: HubCore;

  constructor(hub: HubCore) {
    this.#hub = hub;
  }

  /** Sends a heartbeat that a client requests. */
  ping(session: Session): void {
    const { ports: { clock }, outbound, sessions } = this.#hub;
    const { heartbeat } = session;
    const now = clock.now();
    heartbeat.unanswered++;
    outbound.sendFrame(session, "[]");
    if (now < heartbeat.nextPingAt) sessions.countRefusal(session);
    heartbeat.nextPingAt = now + pingMinMs;
  }

  /** Counts a reply to a heartbeat. */
  pong(session: Session): void {
    if (session.heartbeat.unanswered > 0) session.heartbeat.unanswered--;
    else this.#hub.sessions.countRefusal(session);
  }

  /** Closes a session that has timed out, or sends its heartbeat if that is due. */
  check(session: Session, now: number): void {
    const { outbound, sessions } = this.#hub;
    const { state, heartbeat } = session;
    // Not with each frame, because reading the clock takes a fifth as long as decoding one.
    if (session.commandCount !== heartbeat.checkedCount) {
      heartbeat.checkedCount = session.commandCount;
      heartbeat.receivedAt = now;
    }
    const isClaiming = session.held !== undefined;
    if (state.kind === "greeting" && !isClaiming && now >= state.deadline) {
      sessions.end(session, closeCode.noHello, "no hello accepted in time");
    } else if (now - heartbeat.receivedAt >= silenceMs) {
      sessions.end(session, closeCode.timeout, "no frame received in time");
    } else if (now >= heartbeat.dueAt) {
      // The reply to the last heartbeat is a command too.
      const isIdle = session.commandCount - heartbeat.commandCount <= 1;
      heartbeat.dueAt += isIdle ? idleHeartbeatMs : heartbeatMs;
      heartbeat.commandCount = session.commandCount;
      heartbeat.unanswered++;
      outbound.sendFrame(session, "[]");
    }
  }
}

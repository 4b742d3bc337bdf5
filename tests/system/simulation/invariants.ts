// Promises checked at every step of a single server: each name has one holder, and no member times
// out within its grace.

import type { LogFields } from "../../../app/chat/ports.ts";
import { usernameKey } from "../../../app/protocol/names.ts";
import type { Timeline } from "./timeline.ts";
import { Violation } from "./violation.ts";

/** Checks that no two members hold a name at the same time. */
export class NameInvariant {
  readonly #holders = new Map<string, string>();

  /** Records that a member got a name. */
  hold(username: string, member: string): void {
    this.check(username, member);
    this.#holders.set(usernameKey(username), member);
  }

  release(member: string): void {
    for (const [key, holder] of this.#holders) {
      if (holder === member) this.#holders.delete(key);
    }
  }

  /**
   * Checks that a member may use a name.
   *
   * @throws {Violation} If another member holds it.
   */
  check(username: string, member: string): void {
    const holder = this.#holders.get(usernameKey(username));
    if (holder !== undefined && holder !== member) {
      throw new Violation(`the name ${username} is held by ${holder} and used by ${member}`);
    }
  }
}

/** Checks that no member times out before its grace is over, from the hub's log and frames. */
export class GraceInvariant {
  readonly #time: Timeline;
  readonly #graceMs: number;
  readonly #members = new Map<string, string>();
  /** The sessions in each room of each member. */
  readonly #sessions = new Map<string, Set<string>>();
  /** When the last of them disconnected without leaving. */
  readonly #lostAt = new Map<string, number>();

  constructor(time: Timeline, graceMs: number) {
    this.#time = time;
    this.#graceMs = graceMs;
  }

  /** Forgets a session that leaves a room on purpose, since it has no grace. */
  onFrame(session: string, frame: string): void {
    if (!frame.includes('"leave"')) return;
    const { type, room } = JSON.parse(frame) as { readonly type: string; readonly room: string };
    if (type !== "leave") return;
    this.#sessions.get(`${this.#members.get(session)} ${room}`)?.delete(session);
  }

  /**
   * Follows the hub's log events.
   *
   * @throws {Violation} If a member times out too early.
   */
  onLog(event: string, fields: LogFields): void {
    const session = String(fields.session);
    const member = this.#members.get(session) ?? String(fields.member);
    const key = `${member} ${fields.room}`;
    switch (event) {
      case "hello":
        this.#members.set(session, String(fields.member));
        return;
      case "join": {
        const sessions = this.#sessions.get(key) ?? new Set();
        this.#sessions.set(key, sessions.add(session));
        this.#lostAt.delete(key);
        return;
      }
      // The hub forgets a session when it closes it, maybe before the other side has replied.
      case "disconnect":
      case "close":
      case "session_replaced":
        for (const [lost, sessions] of this.#sessions) {
          if (sessions.delete(session) && sessions.size === 0) {
            this.#lostAt.set(lost, this.#time.ms);
          }
        }
        return;
      case "leave": {
        const lostAt = this.#lostAt.get(key);
        if (fields.reason !== "timeout" || lostAt === undefined) return;
        const elapsedMs = this.#time.ms - lostAt;
        if (elapsedMs < this.#graceMs - 1) {
          throw new Violation(`${key} timed out after ${elapsedMs} ms`);
        }
      }
    }
  }
}

// The entries of a client of the crash test that wait for a reply, and the checks of the replies.

import type { ErrorPush } from "../../../app/protocol/wire.ts";
import type { Ledger } from "./ledger.ts";
import type { Person } from "./person.ts";
import type { SentEntry } from "./recorded_entry.ts";
import type { RoomView } from "./room_view.ts";

export type EntryFields = Pick<SentEntry, "type" | "text" | "target" | "locked">;

/** Why an entry is refused for good. */
const refusals: ReadonlySet<string> = new Set([
  "forbidden",
  "not_found",
  "edits_exhausted",
  "title_locked",
  "muted",
  "banned",
]);

/** Returns whether an entry is refused for good. A client drops a title that came too soon. */
export function isFinal({ re, code }: ErrorPush): boolean {
  return refusals.has(code) || re === "title" && code === "rate_limited";
}

export interface OutboxOptions {
  /** Names the client in violations. */
  readonly id: string;
  readonly person: Person;
  readonly tab: number;
  /** The nodes' URLs. */
  readonly urls: readonly string[];
  readonly ledger: Ledger;
  readonly send: (command: Readonly<Record<string, unknown>>) => void;
}

/** The outboxes of a client's rooms. */
export class CrashOutbox {
  readonly #options: OutboxOptions;
  /** Nonces whose earlier try had no reply but may be stored, so that two replies may arrive. */
  readonly #retriedNonces = new Set<string>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Adds an entry, without sending it. */
  add(view: RoomView, fields: EntryFields): void {
    const { person, tab, ledger } = this.#options;
    const room = view.name;
    // Nonces repeat across clients and rooms, since a repeat is identified by room, member and
    // nonce.
    const entry: SentEntry = { person, room, ...fields, nonce: `${tab}-${++view.sentCount}` };
    ledger.onSent(entry);
    view.outbox.push(entry);
  }

  /** Sends the next entry by rule M8: one in flight per room, none before the room is live. */
  sendNext(view: RoomView): void {
    const [next] = view.outbox;
    if (next === undefined || view.hasInFlight || view.phase !== "live") return;
    view.hasInFlight = true;
    // One node handles an older connection's commands first. Several nodes don't wait for each
    // other.
    if (next.wasSent && this.#options.urls.length > 1) {
      this.#retriedNonces.add(`${view.name} ${next.nonce}`);
    }
    next.isRepeated = next.wasSent;
    next.wasSent = true;
    next.sentAt = Date.now();
    const { type, text, target, locked, nonce } = next;
    const room = view.name;
    if (type === "delete") this.#options.send({ type, room, offset: target, nonce });
    else this.#options.send({ type, room, offset: target, text, locked, nonce });
  }

  /** Expects an ack for an entry that may be stored although its reply was an error. */
  expectAck(view: RoomView, nonce: string | undefined): void {
    this.#retriedNonces.add(`${view.name} ${nonce}`);
  }

  /** Handles the reply to an entry: an ack, or the entry as the room gets it. */
  onAck(view: RoomView, nonce: string, offset: number, isAck: boolean): void {
    const { id, ledger } = this.#options;
    const room = view.name;
    const [first] = view.outbox;
    if (first?.nonce !== nonce) {
      if (isAck && !this.#retriedNonces.has(`${room} ${nonce}`)) {
        ledger.addViolation(`${id} in ${room} got an unexpected ack for ${nonce}`);
      }
      return;
    }
    if (isAck) ledger.counts.repeats++;
    view.outbox.shift();
    view.hasInFlight = false;
    ledger.onAcknowledged(first, offset);
    this.sendNext(view);
  }

  /** Handles a final refusal of an entry, and checks that there is a reason for it. */
  onRefusal(view: RoomView, { nonce, code }: ErrorPush): void {
    const { id, ledger, person } = this.#options;
    const room = view.name;
    const member = person.member ?? "";
    const [first] = view.outbox;
    if (first === undefined || first.nonce !== nonce) return;
    const author = view.messages.get(first.target ?? 0)?.member;
    const { moderators } = ledger.sanctions;
    const isModerator = moderators.has(member);
    if (code === "muted" || code === "banned") {
      ledger.counts[code]++;
      const kind = code === "muted" ? "mute" : "ban";
      ledger.sanctions.checkRefusal(kind, member, first.sentAt ?? 0);
    } else if (
      first.type === "message" || code === "forbidden" && author === person.member ||
      isModerator && (first.type === "delete" && code === "forbidden" || code === "title_locked")
    ) {
      ledger.addViolation(`${id} in ${room} was refused ${first.type} ${nonce}: ${code}`);
    }
    view.outbox.shift();
    view.hasInFlight = false;
    // A title whose reply was lost may be stored: the rate limit comes before the nonce.
    if (code !== "rate_limited" || first.isRepeated !== true) ledger.onRefused(first);
    this.sendNext(view);
  }
}

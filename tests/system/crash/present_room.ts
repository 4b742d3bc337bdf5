// A room rebuilt from its stored entries, to know what each message and the title must be.

import { describe, format } from "./recorded_entry.ts";
import type { SentEntry, StoredEntry } from "./recorded_entry.ts";
import type { SanctionRecord } from "./sanction_record.ts";

/** The parts of the ledger that a room needs. */
interface RoomLedger {
  readonly sanctions: SanctionRecord;
  /** The words by which the texts of deleted messages are found in files. */
  readonly deletedWords: Set<string>;
  addViolation(sentence: string): void;
}

/** A message after all of its entries. */
export interface PresentMessage {
  readonly member: string;
  text: string | undefined;
  /** Offset of the last entry that edited or deleted it; otherwise 0. */
  amended: number;
  /** The texts before its edits. */
  earlier?: readonly string[];
}

/** A room after all of its entries. */
export class PresentRoom {
  readonly messages = new Map<number, PresentMessage>();
  /** The titles that it has had. */
  readonly titles = new Map<number, PresentMessage>();
  title: string | undefined;
  /** Offset of the entry that set the title; 0 if it has none. */
  titleAt = 0;
  isLocked = false;
  readonly #ledger: RoomLedger;

  constructor(ledger: RoomLedger) {
    this.#ledger = ledger;
  }

  /** Applies an entry, and checks that its author may do that. */
  apply(entry: StoredEntry, sent: SentEntry): void {
    const { offset, member } = entry;
    const { type, text, target, locked = false } = sent;
    switch (type) {
      case "message":
        this.messages.set(offset, { member, text, amended: 0 });
        return;
      case "title":
        if (this.isLocked && !this.#ledger.sanctions.moderators.has(member)) {
          this.#ledger.addViolation(`${describe(sent)} has changed a locked title`);
        }
        this.isLocked = locked;
        if (text === "") {
          // A title to remove may be gone.
          if (this.titleAt > 0) this.delete(this.titleAt, entry);
          return;
        }
        this.titles.set(offset, { member, text, amended: 0 });
        this.title = text;
        this.titleAt = offset;
        return;
      case "delete":
        return this.delete(target ?? 0, entry);
      case "edit": {
        const message = this.messages.get(target ?? 0);
        if (message?.text === undefined || message.member !== member) {
          return this.#ledger.addViolation(
            `${describe(sent)} has changed ${target} without permission`,
          );
        }
        // Its earlier texts must be gone too, once it is deleted.
        message.earlier = [...message.earlier ?? [], message.text];
        message.text = text;
        message.amended = offset;
      }
    }
  }

  /** Deletes a message or a title, and checks that the entry's author may do that. */
  delete(target: number, entry: StoredEntry): void {
    const { member, nonce, offset } = entry;
    const { sanctions, deletedWords } = this.#ledger;
    const message = this.messages.get(target) ?? this.titles.get(target);
    const isAllowed = message?.member === member ||
      sanctions.moderators.has(member) &&
        (!nonce.startsWith("sweep.") || sanctions.mayBeSwept(message?.member ?? ""));
    if (message?.text === undefined || !isAllowed) {
      return this.#ledger.addViolation(`${format(entry)} has deleted ${target} without permission`);
    }
    for (const text of [message.text, ...message.earlier ?? []]) {
      deletedWords.add(markedWord(text));
    }
    message.text = undefined;
    message.amended = offset;
    if (target !== this.titleAt) return;
    this.title = undefined;
    this.titleAt = 0;
  }
}

/** Returns the word that identifies a text, also in a search index. */
export function markedWord(text: string): string {
  return /[a-z0-9]{12}zq/.exec(text)?.[0] ?? text;
}

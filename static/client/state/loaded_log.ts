// The part of a room's log that this page has loaded: a contiguous range up to its end, and
// sometimes a window before that.

import type { EntryPush, HistoryPush, Position, RoomPush } from "../../../app/protocol/wire.ts";
import { messageOf, messagesOf } from "./message.ts";
import type { Message, Snapshot } from "./message.ts";

/** A part of the log before its end: the messages of all entries from `oldest` to `newest`. */
export interface LogWindow {
  readonly messages: readonly Message[];
  readonly oldest: number;
  readonly newest: number;
}

/** A log drops old messages beyond this many; scrolling up loads them again. */
const messagesMax = 600;
const trimmedLength = 400;

export class LoadedLog {
  /** The messages of all entries from `oldest` to `head`, in the order of their offsets. */
  messages: readonly Message[] = [];
  /** Offset of the oldest entry loaded, or one past the newest. */
  oldest = 1;
  /** Offset of the oldest entry that the server has. */
  first = 1;
  /** The part of the log to show instead of its end. */
  window: LogWindow | undefined;
  /** Increases whenever a loaded message changes. */
  revision = 0;
  /** The number of messages missing between the previous range and the current one. */
  missingCount = 0;
  /** True if the server's log did not continue the one this page had. */
  wasReset = false;
  #position: Position | undefined;
  /** The last entry this page had before it skipped to a newer range. */
  #lastSeen = 0;

  /** Where to resume; `undefined` if nothing is loaded. */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Offset of the newest entry loaded. */
  get head(): number {
    return this.#position?.offset ?? 0;
  }

  /** Whether the server has entries before those loaded. */
  get hasOlder(): boolean {
    return this.oldest > this.first;
  }

  restore({ position, first, oldest, messages }: Snapshot): void {
    this.#position = position;
    this.first = first;
    this.oldest = oldest;
    this.messages = messages;
  }

  /** Applies a page of a join. Returns false if the page leaves a hole. */
  applyPage(push: RoomPush): boolean {
    const { epoch, offset, messages, missed } = push;
    if (push.recovered) {
      if (messages.some((entry) => this.append(entry) === "gap")) return false;
      if (this.head !== offset) return false;
    } else {
      if (this.#position !== undefined) {
        this.wasReset = missed === undefined && !this.#isContinuedBy(push);
        this.#lastSeen = this.head;
        this.missingCount = missed ?? 0;
      }
      this.window = undefined;
      this.messages = [];
      for (const entry of messages) this.#apply(entry);
      this.oldest = messages[0]?.offset ?? offset + 1;
    }
    this.#position = { epoch, offset };
    this.first = push.first;
    return true;
  }

  /** Returns whether a page that did not recover continues this log anyway, as in an empty room. */
  #isContinuedBy({ epoch, offset }: RoomPush): boolean {
    const { head } = this;
    return head === 0 && offset === 0 || epoch === this.#position?.epoch && offset >= head;
  }

  /** Appends an entry unless it is loaded already, or others before it are missing. */
  append(push: EntryPush): "applied" | "duplicate" | "gap" {
    const { offset, epoch = this.#position?.epoch ?? "" } = push;
    if (offset <= this.head) return "duplicate";
    if (offset !== this.head + 1) return "gap";
    this.#apply(push);
    this.#position = { epoch, offset };
    return "applied";
  }

  #apply(push: EntryPush): void {
    if (push.type === "message") this.messages = [...this.messages, messageOf(push)];
    if (push.type === "delete") {
      this.#amend(push, push.targets, { text: undefined, deletedBy: push.member });
    }
    // An edit without a text has been superseded by a later entry.
    if (push.type === "edit" && push.text !== undefined) {
      this.#amend(push, [push.target], { text: String(push.text), editedAt: push.at });
    }
  }

  /** Applies an entry to messages, unless later ones have amended them (E7). */
  #amend({ offset }: EntryPush, targets: readonly number[], fields: Partial<Message>): void {
    this.change((message) =>
      targets.includes(message.offset) && (message.amended ?? 0) < offset
        ? { ...message, ...fields, amended: offset }
        : message
    );
  }

  /** Replaces each loaded message with the one that `change` returns. */
  change(change: (message: Message) => Message): void {
    this.revision++;
    this.messages = this.messages.map(change);
    const { window } = this;
    if (window) this.window = { ...window, messages: window.messages.map(change) };
  }

  /** Prepends a page of history if it ends just before the entries loaded. */
  prepend(push: HistoryPush): void {
    this.first = push.first;
    const older = push.messages.filter(({ offset }) => offset < this.oldest);
    const [start] = older;
    if (start === undefined) this.first = this.oldest;
    else if (older.at(-1)?.offset === this.oldest - 1) this.extend(messagesOf(older), start.offset);
  }

  /** Prepends the messages of all entries from `oldest` on. */
  extend(messages: readonly Message[], oldest: number): void {
    this.oldest = oldest;
    this.messages = [...messages, ...this.messages];
    if (this.missingCount > 0) {
      const isClosed = this.oldest <= this.#lastSeen + 1;
      this.missingCount = isClosed ? 0 : Math.max(1, this.missingCount - messages.length);
    }
  }

  /** Drops old messages if there are many. Returns whether there were. */
  trim(): boolean {
    const { length } = this.messages;
    if (length <= messagesMax) return false;
    if (this.missingCount > 0) this.missingCount += length - trimmedLength;
    this.messages = this.messages.slice(-trimmedLength);
    this.oldest = this.messages[0]?.offset ?? this.oldest;
    return true;
  }
}

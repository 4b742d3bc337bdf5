// A room's log as any client must keep it, however it arrives (SPEC.md, E7 to E9 and R4 to R9).

import type { EntryPush, HistoryPush, Position, RoomPush } from "../../../app/protocol/wire.ts";

/** A message or a title as a client has it. */
export interface ShownMessage {
  readonly member: string;
  text: string | undefined;
  amended: number;
}

export class LogView {
  readonly messages = new Map<number, ShownMessage>();
  position: Position | undefined;
  title: string | undefined;
  /** Offset of the oldest entry; one past the newest if there is none. */
  oldest = 1;
  first = 1;

  get head(): number {
    return this.position?.offset ?? 0;
  }

  /** Applies a page of a join. Returns false if it leaves a hole. */
  load(push: RoomPush): boolean {
    if (!push.recovered) {
      this.messages.clear();
      this.oldest = push.messages[0]?.offset ?? push.offset + 1;
      this.position = { epoch: push.epoch, offset: this.oldest - 1 };
    }
    for (const entry of push.messages) if (this.append(entry) === "gap") return false;
    if (this.head !== push.offset) return false;
    this.position = { epoch: push.epoch, offset: push.offset };
    this.title = push.title;
    this.first = push.first;
    return true;
  }

  /** Appends a live entry. */
  append(entry: EntryPush): "applied" | "duplicate" | "gap" {
    const { offset, epoch = this.position?.epoch ?? "" } = entry;
    if (offset <= this.head) return "duplicate";
    if (offset !== this.head + 1) return "gap";
    this.position = { epoch, offset };
    this.#add(entry);
    this.#amend(entry);
    if (entry.type === "title") this.title = entry.text;
    if (entry.type === "delete" && entry.untitled) this.title = undefined;
    return "applied";
  }

  /** Prepends a page of history. Returns false if it has a hole. */
  prepend({ messages, first }: HistoryPush): boolean {
    this.first = first;
    const older = messages.filter(({ offset }) => offset < this.oldest);
    const end = older.at(-1)?.offset ?? this.oldest - 1;
    if (end !== this.oldest - 1) return true;
    for (const entry of older) this.#add(entry);
    if (older.some(({ offset }, i) => offset !== end - older.length + 1 + i)) return false;
    this.oldest -= older.length;
    return true;
  }

  /** Forgets all but the newest `count` entries. */
  trim(count: number): void {
    this.oldest = Math.max(this.oldest, this.head - count + 1);
    for (const offset of this.messages.keys()) {
      if (offset < this.oldest) this.messages.delete(offset);
    }
  }

  #add(entry: EntryPush): void {
    if (entry.type !== "message" && entry.type !== "title") return;
    const { offset, member, text, amended = 0 } = entry;
    this.messages.set(offset, { member, text, amended });
  }

  #amend(entry: EntryPush): void {
    if (entry.type !== "edit" && entry.type !== "delete") return;
    for (const target of entry.type === "edit" ? [entry.target] : entry.targets) {
      const message = this.messages.get(target);
      if (message === undefined || message.amended >= entry.offset) continue;
      // A later entry follows an edit without text.
      if (entry.type === "edit" && entry.text === undefined) continue;
      message.text = entry.type === "edit" ? entry.text : undefined;
      message.amended = entry.offset;
    }
  }
}

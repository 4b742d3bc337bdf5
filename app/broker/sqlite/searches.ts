// Searches in the index, in steps between which the server does other things.

import type { SearchPage, SearchRequest } from "../../chat/broker.ts";
import type { DatabaseFile } from "./database.ts";
import type { RoomLog } from "./room_log.ts";
import { expressionOf } from "./search_index.ts";
import type { SearchIndex } from "./search_index.ts";

export interface SearchesOptions {
  /** Resolves in a later event-loop turn, in which a search continues. */
  readonly nextTurn?: () => Promise<void>;
}

/** Searches the index of one database. */
export class Searches {
  readonly #index: SearchIndex;
  readonly #log: RoomLog;
  readonly #openFile: () => DatabaseFile;
  readonly #options: SearchesOptions;

  constructor(
    index: SearchIndex,
    log: RoomLog,
    openFile: () => DatabaseFile,
    options: SearchesOptions,
  ) {
    this.#index = index;
    this.#log = log;
    this.#openFile = openFile;
    this.#options = options;
  }

  /** Searches one table of the index in each event-loop turn. */
  async run({ query, before, limit }: SearchRequest): Promise<SearchPage> {
    const { room: name } = query;
    const room = name === undefined ? undefined : this.#log.idOf(this.#openFile(), name);
    if (name !== undefined && room === undefined) return { messages: [] };
    const expression = expressionOf(query, room);
    const found: number[] = [];
    let from = before === undefined ? Number.MAX_SAFE_INTEGER : Number(before);
    while (from > 0 && found.length <= limit) {
      const left = limit + 1 - found.length;
      const step = this.#index.find(this.#openFile(), expression, from, left);
      found.push(...step.found);
      from = step.before;
      if (from > 0) await this.#options.nextTurn?.();
    }
    // Read all at once, so that none was deleted before the last one was found.
    const file = this.#openFile();
    const messages = found.slice(0, limit).map((document) => this.#index.message(file, document))
      .filter((message) => message !== undefined);
    return found.length > limit ? { messages, next: String(found[limit - 1]) } : { messages };
  }
}

// Runs searches one after another, so that concurrent ones don't slow down the chat.

/** Max searches running or waiting. */
const maxSearches = 20;

/** The searches of one broker. */
export class SearchQueue {
  #last: Promise<unknown> = Promise.resolve();
  #count = 0;

  /** Runs a search after those that wait. Rejects if too many wait, or if the search fails. */
  add<T>(search: () => Promise<T>): Promise<T> {
    if (this.#count >= maxSearches) return Promise.reject(new Error("too many searches"));
    this.#count++;
    const page = this.#last.then(search);
    this.#last = page.catch(() => {}).finally(() => this.#count--);
    return page;
  }
}

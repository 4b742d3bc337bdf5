// Runs searches one after another, so that concurrent ones don't slow down the chat.

/** The searches of one broker. The hub limits how many wait. */
export class SearchQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a search after those that wait. Rejects if it fails. */
  add<T>(search: () => Promise<T>): Promise<T> {
    const page = this.#last.then(search);
    this.#last = page.catch(() => {});
    return page;
  }
}

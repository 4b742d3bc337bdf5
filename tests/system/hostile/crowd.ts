// Honest clients on a thread of their own, and what they say of the server. No attack lives here.

import type { Answer, Findings, Order } from "./honest_worker.ts";

/** People who chat while others attack. */
export class Crowd implements AsyncDisposable {
  readonly #worker: Worker;
  #answered = Promise.withResolvers<Answer>();

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.#answered.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#answered.reject(new Error(`The honest clients broke: ${event.message}`));
    };
  }

  /** Lets `count` people join the lobby; each then writes once in `everyMs`. */
  static async join(url: string, count: number, everyMs: number): Promise<Crowd> {
    const worker = new Worker(new URL("honest_worker.ts", import.meta.url), { type: "module" });
    const crowd = new Crowd(worker);
    await crowd.#ask({ kind: "start", url, count, everyMs });
    return crowd;
  }

  /** Connections that end are held against the server, unless they may. */
  expect({ mayClose }: { readonly mayClose: boolean }): void {
    this.#order({ kind: "expect", mayClose });
  }

  /** Lets everybody say something now. */
  write(): void {
    this.#order({ kind: "write" });
  }

  /** Lets everybody say something and waits until all have it, and with it everything that was sent before. */
  async catchUp(): Promise<void> {
    this.write();
    await this.#ask({ kind: "catch_up" });
  }

  /** Waits until everybody has everything, and answers how it went since the last time. */
  async settle(): Promise<Findings> {
    const answer = await this.#ask({ kind: "settle" });
    if (answer.kind !== "settled") throw new Error("The honest clients were not asked");
    return answer.findings;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#order({ kind: "stop" });
    this.#worker.terminate();
    return Promise.resolve();
  }

  #order(order: Order): void {
    this.#worker.postMessage(order);
  }

  #ask(order: Order): Promise<Answer> {
    this.#answered = Promise.withResolvers<Answer>();
    this.#order(order);
    return this.#answered.promise;
  }
}

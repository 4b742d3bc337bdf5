// Honest clients that chat during attacks. They run in a separate thread, so that the attackers'
// own load does not distort their measurements.

import type { HonestReport, WorkerCommand, WorkerReply } from "./honest_worker.ts";

/** A worker with honest clients. */
export class HonestClients implements AsyncDisposable {
  readonly #worker: Worker;
  #reply = Promise.withResolvers<WorkerReply>();

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => this.#reply.resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.#reply.reject(new Error(`The honest clients failed: ${event.message}`));
    };
  }

  /** Joins the lobby with `count` clients. Each then sends a message every `everyMs`. */
  static async join(url: string, count: number, everyMs: number): Promise<HonestClients> {
    const worker = new Worker(new URL("honest_worker.ts", import.meta.url), { type: "module" });
    const clients = new HonestClients(worker);
    await clients.#request({ kind: "start", url, count, everyMs });
    return clients;
  }

  /** Sets whether lost connections count against the server. */
  expect({ mayClose }: { readonly mayClose: boolean }): void {
    this.#post({ kind: "expect", mayClose });
  }

  /** Sends a message from every client. */
  send(): void {
    this.#post({ kind: "send" });
  }

  /** Sends a message from every client, and waits until all clients have received all messages. */
  async catchUp(): Promise<void> {
    this.send();
    await this.#request({ kind: "catch_up" });
  }

  /**
   * Waits until all clients have received all messages. Returns a report on the time since the last
   * call.
   */
  async settle(): Promise<HonestReport> {
    const reply = await this.#request({ kind: "settle" });
    if (reply.kind !== "settled") throw new Error(`Unexpected reply: ${reply.kind}`);
    return reply.report;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#post({ kind: "stop" });
    this.#worker.terminate();
    return Promise.resolve();
  }

  #post(command: WorkerCommand): void {
    this.#worker.postMessage(command);
  }

  #request(command: WorkerCommand): Promise<WorkerReply> {
    this.#reply = Promise.withResolvers<WorkerReply>();
    this.#post(command);
    return this.#reply.promise;
  }
}

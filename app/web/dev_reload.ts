// Page reloads in development: an event stream that tells pages which start of the server they are
// connected to.

/** How soon a page that lost the server reconnects. */
const retryMs = 300;

/** The event streams of open pages. */
export class DevReload {
  /** Differs at each start. */
  readonly #startId = crypto.randomUUID();
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();

  /** Returns an event stream that sends the start's id and stays open. */
  response(): Response {
    const streams = this.#streams;
    const event = new TextEncoder().encode(`retry: ${retryMs}\ndata: ${this.#startId}\n\n`);
    let stream: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        stream = controller;
        controller.enqueue(event);
        streams.add(controller);
      },
      cancel() {
        streams.delete(stream);
      },
    });
    const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
    return new Response(body, { headers });
  }

  /** Ends all streams. */
  close(): void {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }
}

// Types of @std/http/server-sent-event-stream 1.0, written for the code on npm, which has none.

/** One event for an `EventSource`. */
export interface ServerSentEventMessage {
  /** Nobody sees it, but it keeps a connection busy. */
  comment?: string;
  /** Its type; one line. */
  event?: string;
  data?: string;
  /** What a client says it saw last; one line. */
  id?: string | number;
  /** Milliseconds that a client waits before it comes back. */
  retry?: number;
}

/** Makes bytes of events. Fails with a `SyntaxError` if a type or an id has more than one line. */
export class ServerSentEventStream extends TransformStream<ServerSentEventMessage, Uint8Array> {
  constructor();
}

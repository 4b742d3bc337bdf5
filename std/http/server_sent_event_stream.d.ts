// Types of @std/http/server-sent-event-stream 1.1.3 for the untyped code on npm.

/** An event of an event stream. */
export interface ServerSentEventMessage {
  /** Ignored by clients; keeps a connection alive. */
  comment?: string;
  /** The event's type; one line. */
  event?: string;
  data?: string;
  /** Becomes the client's `Last-Event-ID`; one line. */
  id?: string | number;
  /** Milliseconds before the client reconnects. */
  retry?: number;
}

/** Encodes events. Fails with a `SyntaxError` if a type or an id has several lines. */
export class ServerSentEventStream extends TransformStream<ServerSentEventMessage, Uint8Array> {
  constructor();
}

// The public API of @std/http, without the file server and the event stream parser.

export * from "./cookie.ts";
export * from "./etag.ts";
export * from "./negotiation.ts";
export * from "./server_sent_event_stream.ts";
export * from "./status.ts";
export * from "./user_agent.ts";

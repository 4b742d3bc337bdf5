// The public face of @std/http but for its file server, which npm's copy of the code lacks the files for.

export * from "./cookie.ts";
export * from "./etag.ts";
export * from "./negotiation.ts";
export * from "./server_sent_event_stream.ts";
export * from "./status.ts";
export * from "./user_agent.ts";

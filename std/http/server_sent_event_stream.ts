// Adds types to the code of @std/http/server-sent-event-stream on npm.

// @ts-types="./server_sent_event_stream.d.ts"
export * from "npm:deno-std@1.4.0/http/server_sent_event_stream.js";

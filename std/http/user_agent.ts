// Adds types to the code of @std/http/user-agent on npm.

// @ts-types="./user_agent.d.ts"
export * from "npm:deno-std@1.4.0/http/user_agent.js";

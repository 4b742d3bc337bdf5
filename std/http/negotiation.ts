// Adds types to the code of @std/http/negotiation on npm.

// @ts-types="./negotiation.d.ts"
export * from "npm:deno-std@1.4.0/http/negotiation.js";

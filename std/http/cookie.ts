// Adds types to the code of @std/http/cookie on npm.

// @ts-types="./cookie.d.ts"
export * from "npm:deno-std@1.4.0/http/cookie.js";

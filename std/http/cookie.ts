// @std/http/cookie with types: the code comes from npm.

// @ts-types="./cookie.d.ts"
export * from "npm:deno-std@1.4.0/http/cookie.js";

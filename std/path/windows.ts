// Adds types to the code of @std/path/windows on npm.

// @ts-types="./mod.d.ts"
export * from "npm:deno-std@1.4.0/path/windows/mod.js";

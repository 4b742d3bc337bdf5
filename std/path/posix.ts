// @std/path/posix with types: the code comes from npm.

// @ts-types="./mod.d.ts"
export * from "npm:deno-std@1.4.0/path/posix/mod.js";

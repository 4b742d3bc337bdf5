// The public face of @std/log; every name lives in the file that it comes from.

export * from "./base_handler.ts";
export * from "./console_handler.ts";
export * from "./critical.ts";
export * from "./debug.ts";
export * from "./error.ts";
export * from "./file_handler.ts";
export * from "./formatters.ts";
export * from "./get_logger.ts";
export * from "./info.ts";
export * from "./levels.ts";
export * from "./logger.ts";
export * from "./rotating_file_handler.ts";
export * from "./setup.ts";
export * from "./warn.ts";

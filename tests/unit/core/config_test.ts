import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { configNames, helpText, readConfig, settings } from "../../../app/core/config.ts";
import type { Config } from "../../../app/core/config.ts";
import denoJson from "../../../deno.json" with { type: "json" };

function read(env: Record<string, string>, ...args: string[]) {
  return readConfig((name) => env[name], args);
}

function configOf(env: Record<string, string>, ...args: string[]): Config {
  const result = read(env, ...args);
  if (result.kind !== "config") throw new Error(JSON.stringify(result));
  return result.config;
}

function errorsOf(env: Record<string, string>, ...args: string[]): readonly string[] {
  const result = read(env, ...args);
  return result.kind === "errors" ? result.errors : [];
}

Deno.test("readConfig() has a default for everything", () => {
  const config = configOf({});
  assertEquals([config.host, config.port, config.dataDir, config.logDir], [
    "0.0.0.0",
    8000,
    "data",
    "logs",
  ]);
  assertEquals([config.rateBurst, config.ratePerSecond, config.maxConnections], [10, 2, 10_000]);
  assert(Object.isFrozen(config));
});

Deno.test("readConfig() reads the environment, and flags before it", () => {
  assertEquals(configOf({ PORT: "9000" }).port, 9000);
  assertEquals(configOf({ PORT: "9000" }, "--port", "9001").port, 9001);
  assertEquals(configOf({}, "--port=9002", "--log-message-text").logMessageText, true);
  assertEquals(configOf({ RATE_PER_SECOND: "0.5" }).ratePerSecond, 0.5);
  assertEquals(configOf({ ALLOWED_ORIGINS: "https://a.example, http://b:81" }).allowedOrigins, [
    "https://a.example",
    "http://b:81",
  ]);
});

Deno.test("readConfig() takes an empty variable for one that is not set", () => {
  assertEquals(configOf({ PORT: "", DURABILITY: "" }).port, 8000);
  const { host, dataDir, logDir } = configOf({ HOST: "", DATA_DIR: " ", LOG_DIR: "\t" });
  assertEquals([host, dataDir, logDir], ["0.0.0.0", "data", "logs"]);
});

Deno.test("readConfig() refuses an empty flag, whatever the environment has", () => {
  const env = { HOST: "127.0.0.1", DATA_DIR: "data", LOG_DIR: "logs" };
  for (const flag of ["--host", "--data-dir", "--log-dir", "--redis-url", "--dev"]) {
    const expected = [`Cannot use ${flag}: a value has to follow`];
    assertEquals(errorsOf(env, `${flag}=`), expected);
    assertEquals(errorsOf(env, `${flag}=  `, "--port", "0"), expected);
    if (flag !== "--dev") assertEquals(errorsOf(env, flag, ""), expected);
  }
});

Deno.test("readConfig() names a word that is no command, and what there is", () => {
  const there = "there is no such command, only health, backup, restore and export";
  for (const args of [["frobnicate"], ["--port", "0", "frobnicate"], ["--dev", "frobnicate"]]) {
    assertStringIncludes(errorsOf({}, ...args).join(), `Cannot use "frobnicate": ${there}`);
  }
});

Deno.test("readConfig() names every wrong value, and what would be right", () => {
  const errors = errorsOf(
    { PORT: "70000", DURABILITY: "most", LOG_MESSAGE_TEXT: "yes", ALLOWED_ORIGINS: "a.example/" },
    "--speed",
    "9",
    "--rate-burst",
  );
  const all = errors.join("\n");
  for (
    const part of [
      'PORT="70000": it has to be a whole number from 0 to 65535',
      "one of normal, full",
      'LOG_MESSAGE_TEXT="yes": it has to be 1 or 0',
      "https://chat.example.org",
      '"--speed": there is no such flag',
      "--rate-burst: a value has to follow",
    ]
  ) assertStringIncludes(all, part);
});

Deno.test("readConfig() takes the address of a Redis, and does not repeat its password", () => {
  for (const url of ["redis://cache", "rediss://ada:hunter2@cache:6380/1"]) {
    assertEquals(configOf({ REDIS_URL: url }).redisUrl, url);
  }
  for (const wrong of ["cache:6379", "http://:hunter2@cache", "redis://"]) {
    const [error = ""] = errorsOf({ REDIS_URL: wrong });
    assertStringIncludes(error, "Cannot use REDIS_URL: it has to be an address like redis://");
    assert(!error.includes("hunter2"), error);
  }
});

Deno.test("readConfig() repeats no secret in what it complains of", () => {
  for (const code of ["short", "two words", "w\u00f6rterbuch", "x".repeat(257)]) {
    const [error = ""] = errorsOf({ ACCESS_CODE: code });
    assertStringIncludes(error, "Cannot use ACCESS_CODE: it has to be 6 to 256 letters");
    assert(!error.includes(code), error);
  }
  assertEquals(configOf({ ACCESS_CODE: "open-sesame" }).accessCode, "open-sesame");
  assertEquals(configOf({}).accessCode, "");
});

Deno.test("readConfig() takes a certificate only with its key", () => {
  for (const half of [{ TLS_CERT: "a.pem" }, { TLS_KEY: "a.key" }]) {
    assertStringIncludes(errorsOf(half).join(), "each needs the other");
  }
  assertEquals(configOf({ TLS_CERT: "a.pem", TLS_KEY: "a.key" }).tlsKey, "a.key");
});

Deno.test("readConfig() takes a path for BASE_PATH, with or without a slash at its end", () => {
  for (
    const [typed, expected] of [
      ["/chat", "/chat"],
      ["/chat/", "/chat"],
      ["/our/chat-2", "/our/chat-2"],
      ["/", ""],
    ] as const
  ) assertEquals(configOf({ BASE_PATH: typed }).basePath, expected);
  for (const typed of ["chat", "/a//b", "/a b", "/..", "/a/../b", "/a?b", '/"', "//evil.example"]) {
    assertEquals(errorsOf({ BASE_PATH: typed }).length, 1, typed);
  }
});

Deno.test("readConfig() knows --help and --version", () => {
  assertEquals(read({}, "--help").kind, "help");
  assertEquals(read({ PORT: "x" }, "--version").kind, "version");
});

Deno.test("helpText() has every setting and its flag", () => {
  const help = helpText();
  for (const shown of ["[0.0.0.0]", "[8000]", "[normal]"]) assertStringIncludes(help, shown);
  assertEquals(help.match(/ACCESS_CODE.*\[/), null);
  for (const name of ["PORT", "LOG_MAX_BYTES", "NAME_HOLD_SECONDS"]) {
    assertStringIncludes(help, name);
    assertStringIncludes(help, `--${name.toLowerCase().replaceAll("_", "-")}`);
  }
});

Deno.test("deno.json lets the start task read exactly the variables that there are", () => {
  assertEquals(denoJson.permissions.start.env.toSorted(), [...configNames].toSorted());
});

Deno.test("README.md has every setting as it is, and no other", async () => {
  const readme = await Deno.readTextFile(new URL("../../../README.md", import.meta.url));
  const rows = [...readme.matchAll(/^\| `([A-Z_]+)` *\| *(.*?) *\| *(.*?) *\|$/gm)];
  const shown = rows.map(([, name, fallback, help]) => ({ name, fallback, help }));
  const inReadme = new Set(shown.map(({ name }) => name));
  // DEV is for work on Parley itself.
  const expected = settings.filter(({ name }) => name !== "DEV" || inReadme.has(name));
  assertEquals(shown, expected);
});

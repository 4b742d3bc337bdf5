// Settings, from flags and environment variables.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  configNames,
  defaultText,
  helpText,
  readConfig,
  settings,
} from "../../../app/core/config.ts";
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

Deno.test("readConfig() has a default for every setting", () => {
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

Deno.test("readConfig() prefers flags over the environment", () => {
  assertEquals(configOf({ PORT: "9000" }).port, 9000);
  assertEquals(configOf({ PORT: "9000" }, "--port", "9001").port, 9001);
  assertEquals(configOf({}, "--port=9002", "--log-message-text").logMessageText, true);
  assertEquals(configOf({ RATE_PER_SECOND: "0.5" }).ratePerSecond, 0.5);
  assertEquals(configOf({ ALLOWED_ORIGINS: "https://a.example, http://b:81" }).allowedOrigins, [
    "https://a.example",
    "http://b:81",
  ]);
});

Deno.test("readConfig() ignores the -- that npm needs before flags", () => {
  assertEquals(configOf({}, "--", "--port", "9000").port, 9000);
});

Deno.test("readConfig() treats an empty variable as unset", () => {
  assertEquals(configOf({ PORT: "", DURABILITY: "" }).port, 8000);
  const { host, dataDir, logDir } = configOf({ HOST: "", DATA_DIR: " ", LOG_DIR: "\t" });
  assertEquals([host, dataDir, logDir], ["0.0.0.0", "data", "logs"]);
});

Deno.test("readConfig() refuses a flag without a value, whatever the environment says", () => {
  const env = { HOST: "127.0.0.1", DATA_DIR: "data", LOG_DIR: "logs" };
  for (const flag of ["--host", "--data-dir", "--log-dir", "--redis-url", "--dev"]) {
    const expected = [`Cannot use ${flag}: its value is missing`];
    assertEquals(errorsOf(env, `${flag}=`), expected);
    assertEquals(errorsOf(env, `${flag}=  `, "--port", "0"), expected);
    if (flag !== "--dev") assertEquals(errorsOf(env, flag, ""), expected);
  }
  for (const next of ["--port", "--port=0"]) {
    assertEquals(errorsOf({}, "--title", next), ["Cannot use --title: its value is missing"]);
  }
  assertEquals(configOf({}, "--title=--port").title, "--port");
});

Deno.test("readConfig() returns the arguments that are not flags, in order", () => {
  for (
    const [args, expected] of [
      [["backup", "copy.db"], ["backup", "copy.db"]],
      [["--port", "0", "export", "lobby", "--dev", "lobby.txt"], ["export", "lobby", "lobby.txt"]],
      [["backup", "--", "--port"], ["backup", "--port"]],
    ] as const
  ) {
    const result = read({}, ...args);
    assertEquals(result.kind === "config" ? result.words : result, expected);
  }
});

Deno.test("readConfig() reports every invalid value, with the rule it breaks", () => {
  const errors = errorsOf(
    {
      PORT: "70000",
      DURABILITY: "max",
      LOG_LEVEL: "debug",
      LOG_MESSAGE_TEXT: "yes",
      ALLOWED_ORIGINS: "a.example/",
    },
    "--speed",
    "9",
    "-p9000",
    "--toString",
    "--rate-burst",
  );
  assertEquals(errors, [
    'Cannot use "--speed": unknown flag; --help lists all flags',
    'Cannot use "-p9000": unknown flag; --help lists all flags',
    'Cannot use "--toString": unknown flag; --help lists all flags',
    "Cannot use --rate-burst: its value is missing",
    'Cannot use PORT="70000": must be a whole number from 0 to 65535 ' +
    "(port to listen on; 0 picks any free port)",
    'Cannot use DURABILITY="max": must be normal or full',
    'Cannot use LOG_LEVEL="debug": must be info, warn or error',
    'Cannot use LOG_MESSAGE_TEXT="yes": must be 1 or 0',
    'Cannot use ALLOWED_ORIGINS="a.example/": must be origins such as https://chat.example.org, ' +
    "without final slashes, paths or wildcards, separated by commas",
  ]);
});

Deno.test("readConfig() accepts a Redis address and never shows its password", () => {
  for (const url of ["redis://cache", "rediss://ada:hunter2@cache:6380/1"]) {
    assertEquals(configOf({ REDIS_URL: url }).redisUrl, url);
  }
  for (
    const wrong of [
      "cache:6379",
      "http://:hunter2@cache",
      "redis://",
      "redis://cache/x",
      "redis://:hunter2%@cache",
      "redis://:hunter2@cache?db=1",
    ]
  ) {
    const [error = ""] = errorsOf({ REDIS_URL: wrong });
    assertStringIncludes(error, "Cannot use REDIS_URL: must be an address such as redis://");
    assert(!error.includes("hunter2"), error);
  }
});

Deno.test("readConfig() never shows a secret in an error", () => {
  for (const code of ["short", "two words", "w\u00f6rterbuch", "x".repeat(257)]) {
    const [error = ""] = errorsOf({ ACCESS_CODE: code });
    assertStringIncludes(error, "Cannot use ACCESS_CODE: must be 10 to 256 ASCII characters");
    assert(!error.includes(code), error);
  }
  const both = { ACCESS_CODE: "open-sesame", MODERATOR_CODE: "open-sesame" };
  assertEquals(errorsOf(both), [
    "Cannot use MODERATOR_CODE: must differ from ACCESS_CODE, which everyone knows",
  ]);
  assertEquals(configOf({ ACCESS_CODE: "open-sesame" }).accessCode, "open-sesame");
  assertEquals(configOf({}).accessCode, "");
});

Deno.test("readConfig() accepts a certificate only with its key", () => {
  for (const half of [{ TLS_CERT: "a.pem" }, { TLS_KEY: "a.key" }]) {
    assertStringIncludes(errorsOf(half).join(), "set both");
  }
  assertEquals(configOf({ TLS_CERT: "a.pem", TLS_KEY: "a.key" }).tlsKey, "a.key");
});

Deno.test("readConfig() accepts BASE_PATH with and without a trailing slash", () => {
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

Deno.test("readConfig() suggests the closest flag for a misspelled one", () => {
  const suggestionFor = (flag: string) => {
    const result = read({}, flag, "1");
    return result.kind === "errors" ? result.errors.join() : "";
  };
  assertStringIncludes(
    suggestionFor("--prot"),
    `Cannot use "--prot": unknown flag; did you mean --port?`,
  );
  assertStringIncludes(suggestionFor("--max-room"), "did you mean --max-rooms?");
  assertStringIncludes(suggestionFor("--retention"), "--help lists all flags");
});

Deno.test("readConfig() accepts an IPv6 HOST with and without brackets", () => {
  assertEquals([configOf({ HOST: "[::]" }).host, configOf({ HOST: "::1" }).host], ["::", "::1"]);
});

Deno.test("readConfig() accepts only an address or a host name as HOST", () => {
  for (const host of ["127.0.0.1", "localhost", "chat.example.org", "fe80::1"]) {
    assertEquals(configOf({ HOST: host }).host, host);
  }
  for (
    const host of ["*", "8000", "300.1.1.1", "localhost:9000", "http://localhost", "a b", "[::1]:9"]
  ) {
    const [error = ""] = errorsOf({ HOST: host });
    assertStringIncludes(error, "must be an address of this machine", host);
  }
});

Deno.test("readConfig() refuses quotes around a value, and never shows a quoted secret", () => {
  for (const name of ["TITLE", "DATA_DIR", "PORT", "ALLOWED_HOSTS"]) {
    assertEquals(errorsOf({ [name]: `"8000"` }), [
      `Cannot use ${name}="\\"8000\\"": must be without quotes`,
    ]);
  }
  assertEquals(errorsOf({ ACCESS_CODE: "'open-sesame'" }), [
    "Cannot use ACCESS_CODE: must be without quotes",
  ]);
  assertEquals(configOf({ TITLE: `The "best" chat` }).title, `The "best" chat`);
});

Deno.test("readConfig() refuses paths that only a shell would expand", () => {
  for (const name of ["DATA_DIR", "LOG_DIR"]) {
    for (const path of ["~/chat", "$HOME/chat", "${HOME}/chat"]) {
      assertEquals(errorsOf({ [name]: path }), [
        `Cannot use ${name}="${path}": must be a path that does not start with ~ or $`,
      ]);
    }
    assertEquals(errorsOf({ [name]: "/srv/~chat" }), []);
  }
  assertEquals(errorsOf({ TLS_CERT: "~/a.pem", TLS_KEY: "$A/a.key" }).length, 2);
});

Deno.test("readConfig() refuses ports in ALLOWED_HOSTS", () => {
  const [error = ""] = errorsOf({ ALLOWED_HOSTS: "chat.example.org:8000" });
  assertStringIncludes(error, "must be host names such as chat.example.org, without ports");
  const allowedHosts = ["chat.example.org", "chat"];
  assertEquals(configOf({ ALLOWED_HOSTS: allowedHosts.join() }).allowedHosts, allowedHosts);
});

Deno.test("readConfig() refuses wildcards in lists of hosts and origins that may connect", () => {
  const wildcard = "https://*.example.org";
  assertStringIncludes(errorsOf({ ALLOWED_HOSTS: "*.example.org" }).join(), "wildcards");
  assertStringIncludes(errorsOf({ ALLOWED_ORIGINS: wildcard }).join(), "or wildcards");
  assertEquals(configOf({ FRAME_ANCESTORS: wildcard }).frameAncestors, [wildcard]);
});

Deno.test("readConfig() refuses a MAX_RSS_MB below the memory of an empty server, or with a unit", () => {
  for (const typed of ["1", "127", "1G", "512M"]) {
    const [error = ""] = errorsOf({ MAX_RSS_MB: typed });
    assertStringIncludes(error, "must be auto, 0 or a whole number from 128 to 1000000", typed);
    assertStringIncludes(error, "(memory in MiB", typed);
  }
  for (const [typed, value] of [["auto", "auto"], ["0", 0], ["128", 128]] as const) {
    assertEquals(configOf({ MAX_RSS_MB: typed }).maxRssMb, value);
  }
});

Deno.test("readConfig() accepts only visible characters in TITLE", () => {
  assertEquals(configOf({ TITLE: "Büro-Chat <3" }).title, "Büro-Chat <3");
  for (const title of ["x".repeat(61), "a\nb", "a\u202eb"]) {
    assertEquals(errorsOf({ TITLE: title }).length, 1, title);
  }
});

Deno.test("readConfig() can turn off settings that are on by default", () => {
  assertEquals(configOf({}).typing, true);
  assertEquals(configOf({ TYPING: "0" }).typing, false);
  assertEquals(configOf({}, "--room-directory", "0").roomDirectory, false);
});

Deno.test("readConfig() recognizes --help, -h, --version and -v", () => {
  assertEquals(read({}, "--help").kind, "help");
  assertEquals(read({}, "backup", "-h").kind, "help");
  assertEquals(read({}, "-v").kind, "version");
  assertEquals(read({ PORT: "x" }, "--version").kind, "version");
});

Deno.test("helpText() lists settings, flags and defaults", () => {
  const help = helpText();
  for (const value of ["[0.0.0.0]", "[8000]", "[normal]"]) assertStringIncludes(help, value);
  assertEquals(help.match(/ACCESS_CODE.*\[/), null);
  for (const name of ["PORT", "LOG_MAX_BYTES", "NAME_HOLD_SECONDS"]) {
    assertStringIncludes(help, name);
    assertStringIncludes(help, `--${name.toLowerCase().replaceAll("_", "-")}`);
  }
});

Deno.test("deno.json grants the start task exactly the variables of the settings", () => {
  assertEquals(denoJson.permissions.start.env.toSorted(), [...configNames].toSorted());
});

Deno.test("docs/configuration.md lists exactly the settings of --help", async () => {
  const page = new URL("../../../docs/configuration.md", import.meta.url);
  const docs = await Deno.readTextFile(page);
  const rows = [...docs.matchAll(/^\| `([A-Z_]+)` *\| *(.*?) *\| *(.*?) *\|$/gm)];
  const listed = rows.map(([, name, fallback, help]) => ({ name, default: fallback, help }));
  const names = new Set(listed.map(({ name }) => name));
  // DEV is only for development of Parley.
  const expected = settings.filter(({ name }) => name !== "DEV" || names.has(name));
  assertEquals(
    listed,
    expected.map(({ name, default: value, help }) => ({ name, default: defaultText(value), help })),
  );
});

Deno.test("readConfig() reads secrets from the files in the NAME_FILE variables", () => {
  const files: Record<string, string> = {
    "/run/secrets/token": "0123456789abcdef\n",
    "/run/secrets/words": "open sesame, please",
  };
  const read = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Error("No such file");
    return text;
  };
  const result = (env: Record<string, string>) => readConfig((name) => env[name], [], read);
  const found = result({ METRICS_TOKEN_FILE: "/run/secrets/token" });
  assert(found.kind === "config" && found.config.metricsToken === "0123456789abcdef");
  const missing = result({ METRICS_TOKEN_FILE: "/nowhere", PORT_FILE: "/run/secrets/token" });
  assertEquals(missing, {
    kind: "errors",
    errors: [`Cannot use METRICS_TOKEN_FILE="/nowhere": No such file`],
  });
  const both = result({
    METRICS_TOKEN_FILE: "/run/secrets/token",
    METRICS_TOKEN: "fedcba9876543210",
  });
  assertEquals(both, {
    kind: "errors",
    errors: ["Cannot use both METRICS_TOKEN and METRICS_TOKEN_FILE"],
  });
  const wrong = result({ METRICS_TOKEN_FILE: "/run/secrets/words" });
  const [error = ""] = wrong.kind === "errors" ? wrong.errors : [];
  assertMatch(error, /^Cannot use METRICS_TOKEN_FILE="\/run\/secrets\/words": must be 16 to 256 /);
});

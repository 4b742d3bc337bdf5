// The compiled program. Its runtime cannot be downloaded everywhere, so Deno itself stands in for
// it, and the program's files run uncompiled with the program's permissions.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { compileArgs, failureOf, targets } from "../../scripts/compile.ts";
import { configNames, readConfig } from "../../app/core/config.ts";
import type { Config } from "../../app/core/config.ts";
import { SettingError } from "../../app/core/setting_error.ts";
import { copyOfTree } from "../support/server_process.ts";

const root = new URL("../../", import.meta.url).pathname;

function config(env: Record<string, string> = {}): Config {
  const result = readConfig((name) => env[name], []);
  if (result.kind !== "config") throw new Error(result.kind);
  return result.config;
}

Deno.test("compileArgs() grants the permissions that every program needs, and names no path of this machine", () => {
  const args = compileArgs(undefined, config(), []);
  assertEquals(
    args.filter((arg) => arg.includes(root) || /^-(P|A|-allow-all)/.test(arg)),
    [],
  );
  for (
    const arg of [
      "--no-prompt",
      "--exclude-unused-npm",
      "--allow-read=data,logs,/run/secrets,/run/credentials/parley.service",
      "--output=dist/parley",
    ]
  ) {
    assert(args.includes(arg), arg);
  }
  const [, env = ""] = args.find((arg) => arg.startsWith("--allow-env="))?.split("=") ?? [];
  assertEquals(env.split(",").toSorted(), configNames.toSorted());
});

Deno.test("compileArgs() accepts targets and additional permissions", () => {
  for (const target of targets) {
    const args = compileArgs(target, config(), [
      "--allow-read=/srv/chat,/etc/tls",
      "--allow-net=cache:6379",
    ]);
    assert(args.includes(`--target=${target}`));
    assert(args.includes(`--output=dist/parley-${target}`));
    assert(args.some((arg) => /^--allow-read=data,logs,.*,\/srv\/chat,\/etc\/tls$/.test(arg)));
    assert(args.some((arg) => /^--allow-net=.*,cache:6379$/.test(arg)));
  }
});

Deno.test("compileArgs() grants access to the folders and hosts in the settings", () => {
  const settings = { DATA_DIR: "/srv/chat", HOST: "192.0.2.7", REDIS_URL: "" };
  const args = compileArgs(undefined, config(settings), []);
  for (
    const end of ["read=data,.*,/srv/chat", "write=data,logs,/srv/chat", "net=.*,192.0.2.7:8000"]
  ) {
    assert(args.some((arg) => new RegExp(`^--allow-${end}$`).test(arg)), end);
  }
});

Deno.test("compileArgs() refuses a folder whose name would grant access to others", () => {
  const other = config({ DATA_DIR: "/srv/a,/etc" });
  assertThrows(() => compileArgs(undefined, other, []), SettingError, "forbid commas");
});

Deno.test("failureOf() says what to do if the runtime can't be downloaded", () => {
  const offline = `Download https://host/denort.zip
error: Writing deno compile executable

Caused by:
    0: Setting up base binary.
    1: dns error`;
  assertStringIncludes(
    failureOf(offline),
    "runtime for compiled programs cannot be downloaded",
  );
  assertStringIncludes(
    failureOf("error: Module not found"),
    "Cannot compile: error: Module not found",
  );
});

Deno.test("deno task compile creates one file that contains the page", async () => {
  await using tree = await copyOfTree();
  const { code, stderr } = await deno(tree.path, ["task", "compile"], {
    DENORT_BIN: await Deno.realPath(Deno.execPath()),
  });
  assertEquals(code, 0, stderr);
  const program = await Deno.readFile(`${tree.path}/dist/parley`);
  assert(
    !includes(program, new TextEncoder().encode(tree.path)),
    "it contains a path of this machine",
  );
  for (const file of ["index.html", "style.css", "dist/main.js"]) {
    const bytes = await Deno.readFile(`${tree.path}/static/${file}`);
    assert(includes(program, bytes), `${file} is not in the program`);
  }
});

Deno.test("deno task compile refuses unknown targets and flags in one sentence", async () => {
  const cases = {
    "--prt=1": 'Cannot use "--prt=1"',
    "amiga": "Usage: ",
    "--allow-ffi=x": "Cannot compile with --allow-ffi=x",
  };
  for (const [arg, expected] of Object.entries(cases)) {
    const { code, stderr } = await deno(root, [
      "run",
      "-q",
      "--allow-run",
      "--allow-read",
      "--allow-env",
      "scripts/compile.ts",
      arg,
    ]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, expected);
    assertEquals(stderr.includes("    at "), false);
  }
});

Deno.test("the program serves its page, and writes to the working directory", async () => {
  await using tree = await copyOfTree();
  await deno(tree.path, ["task", "-q", "build"]);
  for await (const { name } of Deno.readDir(`${tree.path}/static/client`)) {
    if (name.endsWith(".ts")) {
      await Deno.remove(`${tree.path}/static/client/${name}`);
    }
  }
  const allowed = compileArgs(undefined, config(), [`--allow-read=${tree.path}`])
    .filter((arg) => arg.startsWith("--allow-") || arg === "--no-prompt");
  const args = [
    "run",
    "-q",
    "--cached-only",
    ...allowed,
    `${tree.path}/main.ts`,
  ];
  const here = `${tree.path}/here`;
  await Deno.mkdir(here);

  assertStringIncludes(
    (await deno(here, [...args, "--version"])).stdout,
    "parley ",
  );
  assertStringIncludes(
    (await deno(here, [...args, "--help"])).stdout,
    "--port",
  );
  const server = new Deno.Command(Deno.execPath(), {
    args: [...args, "--host", "127.0.0.1", "--port", "0"],
    cwd: here,
    stdout: "piped",
  }).spawn();
  let output = "";
  let url: string | undefined;
  const reader = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (url === undefined) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`Cannot start the server: ${output}`);
    output += value;
    url = /^Parley is running at (\S+)$/m.exec(output)?.[1];
  }
  const page = await (await fetch(url)).text();
  const [, path = ""] = /src="([^"]*)"/.exec(page) ?? [];
  const script = await (await fetch(new URL(path, url))).text();
  assertEquals(
    script,
    await Deno.readTextFile(`${tree.path}/static/dist/main.js`),
  );
  assertEquals((await deno(here, [...args, "health", url])).code, 0);

  server.kill("SIGTERM");
  await reader.cancel();
  assertEquals((await server.status).code, 0);
  assertEquals((await deno(here, [...args, "health", url])).code, 1);
  for (const file of ["data/parley.db", "logs/access.log"]) {
    assert((await Deno.stat(`${here}/${file}`)).isFile);
  }
});

async function deno(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

function includes(all: Uint8Array, part: Uint8Array): boolean {
  const [first = 0] = part;
  for (let i = all.indexOf(first); i >= 0; i = all.indexOf(first, i + 1)) {
    if (part.every((byte, at) => all[i + at] === byte)) return true;
  }
  return false;
}

// scripts/launch.ts, which `deno task start` runs: exact permissions, signals and exit statuses.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parseLock } from "../../app/broker/sqlite/lock_file.ts";
import { readConfig } from "../../app/core/config.ts";
import { firstCertificate } from "../support/certificates.ts";
import { freePort } from "../support/free_port.ts";
import { until, withDeadline } from "../support/waiting.ts";
import { isSupported } from "../../scripts/launch.ts";
import { misspelledSettings, permissionsFor } from "../../scripts/launcher.ts";

const root = new URL("../../", import.meta.url).pathname;
const launcher = ["run", "-q", "-A", "--no-config", "--no-lock", `${root}scripts/launch.ts`];
// The task that runs the tests has set it to the folder of the repository.
Deno.env.delete("INIT_CWD");

function permissions(env: Record<string, string>, ...args: readonly string[]) {
  const result = readConfig((name) => env[name], args);
  if (result.kind !== "config") throw new Error(result.kind);
  return permissionsFor(result.config, result.words);
}

Deno.test("permissionsFor() grants the server its folders and its address, nothing else", () => {
  assertEquals(permissions({}), {
    read: ["data", "logs"],
    write: ["data", "logs"],
    net: ["0.0.0.0:8000"],
  });
  const env = { DATA_DIR: "/srv/chat", LOG_DIR: "/var/log/chat", HOST: "::1", PORT: "9000" };
  assertEquals(permissions(env), {
    read: ["/srv/chat", "/var/log/chat"],
    write: ["/srv/chat", "/var/log/chat"],
    net: ["[::1]:9000"],
  });
});

Deno.test("permissionsFor() grants the certificate, and Redis in place of the data folder", () => {
  const tls = permissions({ TLS_CERT: "/tls/cert.pem", TLS_KEY: "/tls/key.pem", PORT: "443" });
  assertEquals(tls.read.slice(-2), ["/tls/cert.pem", "/tls/key.pem"]);
  assertEquals(tls.net, ["0.0.0.0:443", "0.0.0.0:0"]);
  const redis = permissions({ REDIS_URL: "rediss://me:secret@10.0.0.5" });
  assertEquals(redis.write, ["logs"]);
  assertEquals(redis.net, ["0.0.0.0:8000", "10.0.0.5:6379"]);
});

Deno.test("permissionsFor() grants a command the data and the folder of its file", () => {
  const folders = ["data", "/backups"];
  assertEquals(permissions({}, "backup", "/backups/today.db"), {
    read: [...folders, "/backups/today.db"],
    write: folders,
    net: [],
  });
  assertEquals(permissions({}, "export", "lobby").write, ["data"]);
  assertEquals(permissions({}, "backup", "").read, ["data"]);
  assertEquals(permissions({}, "export", "lobby", "/backups/lobby.txt").write, folders);
  assertEquals(permissions({ PORT: "9000" }, "health"), {
    read: [],
    write: [],
    net: ["localhost:9000"],
  });
  assertEquals(permissions({}, "health", "https://chat.example/").net, ["chat.example:443"]);
});

Deno.test("misspelledSettings() finds variables that resemble a setting", () => {
  assertEquals(misspelledSettings(["ACCES_CODE", "RETENTION_DAY", "METRICS_TOKENFILE"]), [
    "Ignoring ACCES_CODE: did you mean ACCESS_CODE?",
    "Ignoring RETENTION_DAY: did you mean RETENTION_DAYS?",
    "Ignoring METRICS_TOKENFILE: did you mean METRICS_TOKEN_FILE?",
  ]);
  assertEquals(misspelledSettings(["\ufeffPORT"]), [
    "Ignoring PORT: save its file without a byte order mark",
  ]);
  const others = ["HOME", "HOSTS", "PORTS", "PATH", "DATA_DIR", "XDG_DATA_DIRS", "REDIS_HOST"];
  assertEquals(misspelledSettings(others), []);
});

Deno.test("isSupported() compares versions by number", () => {
  const versions = ["2.5.6", "2.9.1", "2.9.2", "2.10.0", "3.0.0"];
  assertEquals(versions.filter(isSupported), ["2.9.2", "2.10.0", "3.0.0"]);
});

Deno.test("launch.ts imports nothing that an older Deno may lack before it checks the version", async () => {
  const text = await Deno.readTextFile(`${root}scripts/launch.ts`);
  assertEquals(text.match(/^(im|ex)port .*/gm), [
    "export function isSupported(version: string): boolean {",
  ]);
});

/** Starts the launcher in `cwd`, and waits until the server prints its address. */
function start(cwd: string, ...args: readonly string[]) {
  return startProgram(cwd, Deno.execPath(), ...launcher, "--host", "127.0.0.1", ...args);
}

async function startProgram(cwd: string, program: string, ...args: readonly string[]) {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd,
    env: { HEALTH_FILE: `${cwd}/health` },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  assertStringIncludes(value, "Parley is running at ");
  const ended = async () => {
    while (!(await reader.read()).done);
    return (await child.status).code;
  };
  const lock = await Deno.readTextFile(`${cwd}/deep/data/parley.lock`);
  return { child, ended, pid: parseLock(lock)?.pid ?? 0 };
}

async function run(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
  program = Deno.execPath(),
) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    env,
  }).output();
  return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

Deno.test("launch serves from any folder, passes on signals and the exit status, and stops the server if it is killed", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    const folders = ["--port=0", "--data-dir", `${dir}/deep/data`, "--log-dir", "deep/logs"];
    const first = await start(dir, ...folders);
    assert(first.pid !== first.child.pid);
    for (const path of ["deep/data/parley.db", "deep/logs/access.log"]) {
      assertEquals(((await Deno.stat(`${dir}/${path}`)).mode ?? 0) & 0o777, 0o600);
    }
    // systemd's StateDirectory is a link too.
    await Deno.symlink(`${dir}/deep`, `${dir}/link`);
    await Deno.mkdir(`${dir}/copies`);
    for (const data of ["deep/data", "link/data"]) {
      const line = [...launcher, "backup", "copies/copy.db", `--data-dir=${data}`];
      const { code, output } = await run(dir, line);
      assertEquals(code, 0, output);
    }
    first.child.kill("SIGTERM");
    assertEquals(await first.ended(), 0);

    await Deno.remove(`${dir}/deep/logs`, { recursive: true });
    const second = await start(dir, ...folders);
    Deno.kill(second.pid, "SIGKILL");
    assertEquals(await second.ended(), 128 + 9);

    const third = await start(dir, ...folders);
    third.child.kill("SIGKILL");
    // The server has inherited its output, which ends when the server exits.
    assertEquals(await withDeadline("the server ends too", third.ended()), 128 + 9);
    const log = await Deno.readTextFile(`${dir}/deep/logs/websocket.log`);
    assertMatch(log, /event=stop reason=launcher_lost .*\n.*event=stopped /);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("launch ends on SIGTERM with --dev, although Deno watches for changes", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    const folders = ["--data-dir", `${dir}/deep/data`, "--log-dir", `${dir}/deep/logs`];
    const server = await start(dir, "--dev", "--port=0", ...folders);
    server.child.kill("SIGTERM");
    await withDeadline("the server ends", server.ended());
    const log = await Deno.readTextFile(`${dir}/deep/logs/websocket.log`);
    assertMatch(log, /event=stopped /);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("launch ignores SIGHUP as a service, and stops the server if its terminal is closed", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const args = ["--port=0", "--data-dir=deep/data", "--log-dir=deep/logs"];
  try {
    const service = await start(dir, ...args);
    for (const pid of [service.child.pid, service.pid]) Deno.kill(pid, "SIGHUP");
    service.child.kill("SIGTERM");
    assertEquals(await service.ended(), 0);

    const line = [Deno.execPath(), ...launcher, "--host=127.0.0.1", ...args].join(" ");
    const terminal = await startProgram(dir, "script", "-qefc", line, "/dev/null");
    terminal.child.kill("SIGKILL");
    await terminal.ended();
    const log = `${dir}/deep/logs/websocket.log`;
    await until(
      async () => (await Deno.readTextFile(log)).split("event=stopped ").length === 3,
      "both servers have stopped",
    );
    assertEquals((await Deno.readTextFile(log)).match(/event=stop reason=\w+/g), [
      "event=stop reason=SIGTERM",
      "event=stop reason=SIGTERM",
    ]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("parley-health finds the server at the address in its settings, with and without TLS", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const isHealthy = async () => {
    const script = `${root}scripts/container/parley-health`;
    return (await run(dir, [script], { HEALTH_FILE: `${dir}/health` }, "bash")).code === 0;
  };
  try {
    await Deno.writeTextFile(`${dir}/cert.pem`, firstCertificate.cert);
    await Deno.writeTextFile(`${dir}/key.pem`, firstCertificate.key);
    const folders = ["--data-dir=deep/data", "--log-dir=deep/logs"];
    for (const tls of [[], ["--tls-cert=cert.pem", "--tls-key=key.pem"]]) {
      const settings = [`--port=${freePort()}`, "--base-path=/chat", ...tls, ...folders];
      const server = await start(dir, ...settings);
      assertEquals(await isHealthy(), true);
      assertEquals((await run(dir, [...launcher, "health", "--host=::", ...settings])).code, 0);
      server.child.kill("SIGTERM");
      assertEquals(await server.ended(), 0);
      assertEquals(await isHealthy(), false);
    }
    assertEquals(await Deno.readTextFile(`${dir}/deep/logs/access.log`), "");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("deno task restore takes a file relative to the folder where it was started", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  try {
    const task = ["task", "-q", `--config=${root}deno.json`];
    const env = { DATA_DIR: `${dir}/none` };
    const { code, output } = await run(dir, [...task, "restore", "copy.db"], env);
    assertEquals([code, output], [1, `Cannot copy ${dir}/copy.db: it does not exist\n`]);
    const device = await run(dir, [...task, "restore", "/dev/full"], env);
    assertEquals(device.output, "Cannot read /dev/full: Deno does not let programs use it\n");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("launch warns of a misspelled variable", async () => {
  const { code, output } = await run(root, [...launcher, "--version"], { ACCES_CODE: "x" });
  assertEquals(code, 0);
  assertStringIncludes(output, "Ignoring ACCES_CODE: did you mean ACCESS_CODE?\n");
});

Deno.test("deno task reads settings from a file", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "DATA_DIR=/srv/chat\nPORT=x\n");
    const task = ["task", "-q", `--config=${root}deno.json`, `--env-file=${file}`, "start"];
    const { code, output } = await run(root, task);
    assertEquals(code, 2);
    assertStringIncludes(output, 'Cannot use PORT="x"');
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("launch exits with status 2 on an invalid setting, and explains it", async () => {
  for (
    const [args, expected] of [
      [["--port", "x"], 'Cannot use PORT="x"'],
      [["--data-dir", "a,b"], 'Cannot use "a,b": Deno\'s permissions forbid commas'],
    ] as const
  ) {
    const { code, output } = await run(root, [...launcher, ...args]);
    assertEquals(code, 2);
    assertStringIncludes(output, expected);
  }
});

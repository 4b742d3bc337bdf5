// Measures Parley beside chats that only pass messages on: `deno task bench`. Every round runs all servers one after the
// other, so that a noisy machine is noisy for each of them.

import { dirname } from "@std/path";
import { chatload } from "./chatload.ts";
import type { Load } from "./chatload.ts";
import type { Plan, Seen } from "./load.ts";

const root = new URL("../", import.meta.url).pathname;
const peersDir = `${root}bench/peers`;
/** The one that Debian's packages are for. */
const python = "/usr/bin/python3";

/** A load. */
export interface Case {
  readonly name: string;
  readonly clients: number;
  readonly senders: number;
  readonly rooms?: number;
  readonly rate?: number;
  readonly padding?: number;
}

const cases: readonly Case[] = [
  { name: "32/32", clients: 32, senders: 32 },
  { name: "1000/10", clients: 1000, senders: 10 },
  { name: "1000/100", clients: 1000, senders: 100 },
  { name: "1000 at 500/s", clients: 1000, senders: 50, rate: 500 },
  { name: "100 rooms of 50", clients: 5000, senders: 100, rooms: 100 },
  { name: "5000/5", clients: 5000, senders: 5 },
  { name: "1 to 5000 idle", clients: 5000, senders: 1, rate: 2 },
  { name: "1 KB, 1000/10", clients: 1000, senders: 10, padding: 1000 },
];

/** How a server is started, and how one speaks to it. */
interface Server {
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  readonly path: string;
  readonly speech: Pick<Plan, "protocol" | "join" | "message" | "heartbeat">;
}

const plain = { path: "/r%r", speech: { join: [], message: "%s" } };

function servers(dir: string): Readonly<Record<string, Server>> {
  return {
    parley: {
      command: [
        Deno.execPath(),
        ..."run -q --no-prompt -P=start".split(" "),
        `--allow-read=${root},${dir}`,
        `--allow-write=${dir}`,
        `${root}main.ts`,
      ],
      env: {
        HOST: "127.0.0.1",
        DATA_DIR: `${dir}/data`,
        LOG_DIR: `${dir}/logs`,
        RATE_PER_SECOND: "0",
        MAX_CONNECTIONS: "20000",
      },
      path: "/ws",
      speech: {
        protocol: "parley.v1",
        join: ['{"type":"hello","username":"u%d","rooms":[{"room":"r%r"}]}'],
        message: '{"type":"message","room":"r%r","text":"%s","nonce":"n%n"}',
        heartbeat: ["[]", '{"type":"pong"}'],
      },
    },
    bun: { command: [`${peersDir}/node_modules/bun/bin/bun.exe`, `${peersDir}/bun.ts`], ...plain },
    ws: { command: ["node", `${peersDir}/ws.mjs`], ...plain },
    socket_io: {
      command: ["node", `${peersDir}/socket_io.mjs`],
      path: "/socket.io/?EIO=4&transport=websocket&room=r%r",
      speech: { join: ["40"], message: '42["say","%s"]', heartbeat: ["2", "3"] },
    },
    deno: {
      command: [Deno.execPath(), "run", "-q", "--no-check", "-A", `${peersDir}/deno.ts`],
      ...plain,
    },
    fastapi: { command: [python, `${peersDir}/fast_api.py`], ...plain },
  };
}

/** What was measured of one server under one load. */
export interface Result extends Seen {
  readonly server: string;
  readonly case: string;
  /** Deliveries for each second that the server's process computed. */
  readonly perCpuSecond: number;
  /** Of one core. */
  readonly cpuShare: number;
  /** The load generator's: near 1 it is the one that limits. */
  readonly generatorShare: number;
  readonly residentKiB: number;
  /** Resident memory before the first client came. */
  readonly emptyKiB: number;
  /** Seconds that all clients took to come, and that the server computed meanwhile. */
  readonly coming: { readonly seconds: number; readonly cpu: number };
}

/** Starts a server, puts the load on it for that many seconds, by the program at `generator` if one is given, and ends it. */
export async function measure(
  name: string,
  scene: Case,
  seconds: number,
  generator = "",
): Promise<Result> {
  const dir = await Deno.makeTempDir();
  const port = freePort();
  const server = servers(dir)[name];
  if (server === undefined) throw new Error(`Cannot measure ${name}: there is no such server`);
  const [program, ...args] = server.command;
  const child = new Deno.Command("sh", {
    // So many connections need as many descriptors; `exec` leaves the server with the shell's pid.
    args: ["-c", 'ulimit -n $(ulimit -H -n); exec "$0" "$@"', program, ...args],
    env: { PORT: String(port), ...server.env },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await untilListening(port);
    const plan: Plan = {
      url: `ws://127.0.0.1:${port}${server.path}`,
      ...server.speech,
      clients: scene.clients,
      senders: scene.senders,
      rooms: scene.rooms ?? 1,
      padding: scene.padding ?? 0,
      seconds,
      ...(scene.rate === undefined ? {} : { rate: scene.rate }),
    };
    const emptyKiB = resident(child.pid);
    const { seen, cpus: [cpu = NaN], generatorCpu, residentKiB, coming } =
      await (generator === "" || plan.rooms > 1
        ? load(plan, [child.pid])
        : chatload(generator, plan, child.pid));
    return {
      server: name,
      case: scene.name,
      ...seen,
      perCpuSecond: seen.deliveries / cpu,
      cpuShare: cpu / seen.seconds,
      generatorShare: generatorCpu / seen.seconds,
      residentKiB,
      emptyKiB,
      coming,
    };
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * Runs the generator as a process of its own, and looks at the processes of the server when it begins and ends: the seconds that
 * each computed, and the memory of the first.
 */
export async function load(plan: Plan, pids: readonly number[]): Promise<Load> {
  const generator = new Deno.Command("sh", {
    args: [
      "-c",
      'ulimit -n $(ulimit -H -n); exec "$0" "$@"',
      Deno.execPath(),
      "run",
      "-q",
      "--no-check",
      "--allow-net",
      new URL("load.ts", import.meta.url).pathname,
      JSON.stringify(plan),
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const input = generator.stdin.getWriter();
  const clocks = () => [...pids, generator.pid].map(cpuSeconds);
  const startedAt = performance.now();
  const start = clocks();
  let [before, after] = [start, start];
  let coming = { seconds: NaN, cpu: NaN };
  let residentKiB = 0;
  let seen: Seen | undefined;
  for await (const text of generator.stdout.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n")) {
      if (line === "go") {
        before = clocks();
        const cpu = (before[0] ?? NaN) - (start[0] ?? NaN);
        coming = { seconds: (performance.now() - startedAt) / 1000, cpu };
      } else if (line === "stop") [after, residentKiB] = [clocks(), resident(pids[0] ?? 0)];
      else if (line !== "") seen = JSON.parse(line);
      if (line === "go" || line === "stop") await input.write(new Uint8Array(1));
    }
  }
  await input.close().catch(() => {});
  await generator.status;
  if (seen === undefined) throw new Error("Cannot measure: the generator ended early");
  const cpus = after.map((seconds, i) => seconds - (before[i] ?? 0));
  return { seen, cpus: cpus.slice(0, -1), generatorCpu: cpus.at(-1) ?? NaN, residentKiB, coming };
}

function cpuSeconds(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function resident(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function untilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Cannot reach port ${port}: the server does not listen`);
}

/** The middle one of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const columns: readonly (readonly [title: string, cell: (of: Median) => string])[] = [
  ["deliveries per CPU-second", (of) => whole(of(({ perCpuSecond }) => perCpuSecond))],
  ["deliveries a second", (of) => whole(of(({ deliveries, seconds }) => deliveries / seconds))],
  ["messages a frame", (of) => of(({ deliveries, frames }) => deliveries / frames).toFixed(1)],
  ["p50 ms", (of) => of(({ p50 }) => p50).toFixed(1)],
  ["p99 ms", (of) => of(({ p99 }) => p99).toFixed(1)],
  ["to the last ms", (of) => of(({ last }) => last).toFixed(1)],
  ["CPU", (of) => percent(of(({ cpuShare }) => cpuShare))],
  ["generator's CPU", (of) => percent(of(({ generatorShare }) => generatorShare))],
  ["MiB", (of) => whole(of(({ residentKiB }) => residentKiB / 1024))],
];

/** The median over the rounds. */
type Median = (pick: (one: Result) => number) => number;

/** A whole number, as people read it. */
export function whole(number: number): string {
  return Math.round(number).toLocaleString("en");
}

/** A table in Markdown; the first row is its head. */
export function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  return [head, head.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join(
    "\n",
  );
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

function report(results: readonly Result[], names: readonly string[]): string {
  const rows = [["case", "server", "of Bun's", "its p99", ...columns.map(([title]) => title)]];
  for (const { name } of cases) {
    const of = (server: string) =>
      results.filter((one) => one.case === name && one.server === server);
    const bun = of("bun");
    for (const server of names) {
      const own = of(server);
      if (own.length === 0) continue;
      // Of the same round each, since the machine is another one a minute later.
      const ratio = (pick: (one: Result) => number) => {
        const ratios = own.flatMap((one, i) => bun[i] ? [pick(one) / pick(bun[i])] : []);
        return ratios.length === 0 ? "" : median(ratios).toFixed(2);
      };
      const ofAll: Median = (pick) => median(own.map(pick));
      const ratios = [ratio(({ perCpuSecond }) => perCpuSecond), ratio(({ p99 }) => p99)];
      rows.push([name, server, ...ratios, ...columns.map(([, cell]) => cell(ofAll))]);
    }
  }
  return table(rows);
}

function flag(name: string, fallback: string): string {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? fallback : Deno.args[at + 1] ?? fallback;
}

async function installPeers(): Promise<void> {
  const npm = new Deno.Command("npm", {
    args: ["install", "--no-audit", "--no-fund", "--silent"],
    cwd: peersDir,
  });
  const { success } = await npm.output();
  if (!success) throw new Error(`Cannot install the peers: npm install failed in ${peersDir}`);
}

/** FastAPI is measured where Debian's packages of it are: python3-fastapi, uvicorn and python3-websockets. */
async function hasFastApi(): Promise<boolean> {
  try {
    const look = new Deno.Command(python, {
      args: ["-c", "import fastapi, uvicorn, websockets"],
      stderr: "null",
    });
    return (await look.output()).success;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  await installPeers();
  const peers = "parley,bun,ws,socket_io,deno" + (await hasFastApi() ? ",fastapi" : "");
  const names = flag("servers", peers).split(",");
  const [rounds, seconds] = [Number(flag("rounds", "5")), Number(flag("seconds", "4"))];
  const [only, generator] = [flag("only", ""), flag("chatload", "")];
  const results: Result[] = [];
  for (const scene of cases.filter(({ name }) => only === "" || only.split(";").includes(name))) {
    for (let round = 1; round <= rounds; round++) {
      for (const name of names) {
        const result = await measure(name, scene, seconds, generator);
        results.push(result);
        const wrong = result.disorder > 0 ? `, ${result.disorder} out of order` : "";
        say(`${scene.name} ${round}: ${name} ${whole(result.perCpuSecond)} a CPU-second${wrong}`);
      }
    }
  }
  say(report(results, names));
  const json = flag("json", `${root}dist/bench.json`);
  await Deno.mkdir(dirname(json), { recursive: true });
  await Deno.writeTextFile(json, JSON.stringify(results, null, 2));
}

if (import.meta.main) await main();

// `deno task bench`: compares Parley with other servers, and with floors, minimal servers that show
// the cost of Deno itself. Each round runs all servers in turn, so noise affects them equally.

import { dirname } from "@std/path";
import { freePort } from "../tests/support/free_port.ts";
import { readTaskFlags } from "../tests/support/task_flags.ts";
import { runChatload } from "./chatload.ts";
import type { LoadMeasurement } from "./chatload.ts";
import type { LoadResult, Plan } from "./load.ts";
import { installServers, serversFor } from "./servers.ts";

const root = new URL("../", import.meta.url).pathname;

/** A load under which servers are measured. */
export interface Scenario {
  readonly name: string;
  readonly clients: number;
  readonly senders: number;
  readonly rooms?: number;
  /** Messages per second over all senders; by default each sender waits for its own message. */
  readonly rate?: number;
  /** Characters added to each message. */
  readonly padding?: number;
  /** Seconds between the last connection and the load. */
  readonly settleSeconds?: number;
}

const scenarios: readonly Scenario[] = [
  { name: "32/32", clients: 32, senders: 32 },
  { name: "1000/10", clients: 1000, senders: 10 },
  { name: "1000/100", clients: 1000, senders: 100 },
  { name: "1000 at 500/s", clients: 1000, senders: 50, rate: 500 },
  { name: "100 rooms of 50", clients: 5000, senders: 100, rooms: 100 },
  { name: "5000/5", clients: 5000, senders: 5 },
  { name: "1 to 5000 idle", clients: 5000, senders: 1, rate: 2 },
  { name: "1 KB, 1000/10", clients: 1000, senders: 10, padding: 1000 },
];

/** The measurement of one server under one load. */
export interface Result extends LoadResult {
  readonly server: string;
  readonly scenario: string;
  /** Deliveries per second of CPU time of the server. */
  readonly perCpuSecond: number;
  /** CPU of the server, as a share of one core. */
  readonly cpuShare: number;
  /** CPU of the load generator, as a share of one core. Near 1, the generator is the bottleneck. */
  readonly generatorShare: number;
  readonly residentKiB: number;
  /** Resident memory before the first client connected. */
  readonly emptyKiB: number;
  /** Seconds until all clients were connected, and the server's CPU time meanwhile. */
  readonly connecting: { readonly seconds: number; readonly cpu: number };
}

/**
 * Starts a server, measures it under a load for some seconds, and stops it. `generatorPath` names
 * an external load generator. With `warmUpSeconds`, the server first runs the load for that long,
 * because compiling its code takes CPU time only once.
 */
export async function measure(
  name: string,
  scenario: Scenario,
  seconds: number,
  generatorPath = "",
  warmUpSeconds = 0,
): Promise<Result> {
  const dir = await Deno.makeTempDir();
  const port = freePort();
  const server = serversFor(dir, port, scenario.padding ?? 0)[name];
  if (server === undefined) throw new Error(`Cannot measure ${name}: unknown server`);
  const [program, ...args] = server.command;
  const child = new Deno.Command("sh", {
    // Each connection needs a descriptor. `exec` gives the server the shell's pid.
    args: ["-c", 'ulimit -n $(ulimit -H -n); exec "$0" "$@"', program, ...args],
    env: server.env ?? {},
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await waitUntilListening(port);
    const plan: Plan = {
      url: `ws://127.0.0.1:${port}${server.path}`,
      ...server.templates,
      clients: scenario.clients,
      senders: scenario.senders,
      rooms: scenario.rooms ?? 1,
      padding: scenario.padding ?? 0,
      seconds,
      ...(scenario.rate === undefined ? {} : { rate: scenario.rate }),
      ...(scenario.settleSeconds === undefined ? {} : { settleSeconds: scenario.settleSeconds }),
    };
    const emptyKiB = residentKiBOf(child.pid);
    const run = (plan: Plan) =>
      generatorPath === "" || plan.rooms > 1
        ? runLoad(plan, [child.pid])
        : runChatload(generatorPath, plan, child.pid);
    if (warmUpSeconds > 0) {
      // Names of members that left are held, and the rooms must be empty when the load begins.
      const rename = (text: string) => text.replace("u%d", "v%d").replace("r%r", "s%r");
      await run({
        ...plan,
        url: rename(plan.url),
        join: plan.join.map(rename),
        message: rename(plan.message),
        seconds: warmUpSeconds,
      });
    }
    const { result, cpus: [cpu = NaN], generatorCpu, residentKiB, connecting } = await run(plan);
    return {
      server: name,
      scenario: scenario.name,
      ...result,
      perCpuSecond: result.deliveries / cpu,
      cpuShare: cpu / result.seconds,
      generatorShare: generatorCpu / result.seconds,
      residentKiB,
      emptyKiB,
      connecting,
    };
  } finally {
    child.kill("SIGKILL");
    await child.status;
    await Deno.remove(dir, { recursive: true });
  }
}

/**
 * Runs the load generator as a separate process. Measures the CPU time of each server process
 * while the load lasts, and the memory of the first.
 */
export async function runLoad(plan: Plan, pids: readonly number[]): Promise<LoadMeasurement> {
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
  const readCpus = () => [...pids, generator.pid].map(cpuSecondsOf);
  const startedAt = performance.now();
  const start = readCpus();
  let [before, after] = [start, start];
  let connecting = { seconds: NaN, cpu: NaN };
  let residentKiB = 0;
  let result: LoadResult | undefined;
  for await (const text of generator.stdout.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n")) {
      if (line === "connected") {
        const cpu = (readCpus()[0] ?? NaN) - (start[0] ?? NaN);
        connecting = { seconds: (performance.now() - startedAt) / 1000, cpu };
      } else if (line === "go") before = readCpus();
      else if (line === "stop") [after, residentKiB] = [readCpus(), residentKiBOf(pids[0] ?? 0)];
      else if (line !== "") result = JSON.parse(line);
      if (/^[a-z]/.test(line)) await input.write(new Uint8Array(1));
    }
  }
  await input.close().catch(() => {});
  await generator.status;
  if (result === undefined) throw new Error("Cannot measure: the load generator exited early");
  const cpus = after.map((seconds, i) => seconds - (before[i] ?? 0));
  return {
    result,
    cpus: cpus.slice(0, -1),
    generatorCpu: cpus.at(-1) ?? NaN,
    residentKiB,
    connecting,
  };
}

function cpuSecondsOf(pid: number): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentKiBOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1]);
}

async function waitUntilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`Cannot reach port ${port}: the server is not listening`);
}

/** Returns the median of some numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

const perCpuSecond = (result: Result) => result.perCpuSecond;

const columns: readonly (readonly [title: string, cell: (medianOf: Median) => string])[] = [
  ["deliveries per CPU-second", (medianOf) => formatInteger(medianOf(perCpuSecond))],
  [
    "deliveries per second",
    (medianOf) => formatInteger(medianOf(({ deliveries, seconds }) => deliveries / seconds)),
  ],
  [
    "messages per frame",
    (medianOf) => medianOf(({ deliveries, frames }) => deliveries / frames).toFixed(1),
  ],
  ["p50 ms", (medianOf) => medianOf(({ p50 }) => p50).toFixed(1)],
  ["p99 ms", (medianOf) => medianOf(({ p99 }) => p99).toFixed(1)],
  ["last reader ms", (medianOf) => medianOf(({ lastReader }) => lastReader).toFixed(1)],
  ["CPU", (medianOf) => percent(medianOf(({ cpuShare }) => cpuShare))],
  ["generator's CPU", (medianOf) => percent(medianOf(({ generatorShare }) => generatorShare))],
  ["MiB", (medianOf) => formatInteger(medianOf(({ residentKiB }) => residentKiB / 1024))],
];

/** Returns the median of a value over the rounds. */
type Median = (pick: (result: Result) => number) => number;

/** Formats a rounded number with thousands separators. */
export function formatInteger(number: number): string {
  return Math.round(number).toLocaleString("en");
}

/** Formats a Markdown table; the first row is its header. */
export function table(rows: readonly (readonly string[])[]): string {
  const [header = [], ...body] = rows;
  return [header, header.map(() => "---"), ...body].map((cells) => `| ${cells.join(" | ")} |`).join(
    "\n",
  );
}

const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** Returns tables of all results: servers side by side, then every measured value. */
function report(results: readonly Result[], names: readonly string[]): string {
  const resultsOf = (scenario: string, server: string) =>
    results.filter((one) => one.scenario === scenario && one.server === server);
  const measured = scenarios.map(({ name }) => name).filter((name) =>
    resultsOf(name, names[0] ?? "").length > 0
  );
  const sideBySide = (title: string, cell: (own: readonly Result[]) => string) =>
    table([
      [title, ...names],
      ...measured.map((scenario) => [
        scenario,
        ...names.map((name) => cell(resultsOf(scenario, name))),
      ]),
    ]);
  const details = measured.flatMap((scenario) =>
    names.map((name) => {
      const medianOf: Median = (pick) => median(resultsOf(scenario, name).map(pick));
      return [scenario, name, ...columns.map(([, cell]) => cell(medianOf))];
    })
  );
  return [
    sideBySide("deliveries per CPU-second", (own) => formatInteger(median(own.map(perCpuSecond)))),
    sideBySide("p99, ms", (own) => median(own.map(({ p99 }) => p99)).toFixed(1)),
    ratios(results, names),
    table([["case", "server", ...columns.map(([title]) => title)], ...details]),
  ].join("\n\n");
}

/** Returns Parley's ratios to the other servers: the median of the ratios within a round. */
function ratios(results: readonly Result[], names: readonly string[]): string {
  const others = names.filter((name) => name !== "parley");
  const rows: string[][] = [];
  for (const { name } of scenarios) {
    const resultsOf = (server: string) =>
      results.filter((one) => one.scenario === name && one.server === server);
    const own = resultsOf("parley");
    if (own.length === 0) continue;
    const row = (title: string, pick: (result: Result) => number) => [
      title,
      ...others.map((other) => {
        const peers = resultsOf(other);
        // Compare within a round, since the machine's speed changes from minute to minute.
        const pairs = own.flatMap((one, i) => peers[i] ? [pick(one) / pick(peers[i])] : []);
        return pairs.length === 0 ? "" : median(pairs).toFixed(2);
      }),
    ];
    rows.push(row(name, perCpuSecond), row(`${name}, p99`, ({ p99 }) => p99));
  }
  return table([["Parley relative to", ...others], ...rows]);
}

/** The defaults of `--quick`, which takes about two minutes. */
const quick = {
  servers: "parley,durable",
  only: "32/32;1000/10;1000/100",
  rounds: 3,
  seconds: 3,
};

async function main(): Promise<void> {
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  const { quick: isQuick, chatload: generatorPath, json, "warm-up": warmUp, ...flags } =
    readTaskFlags({
      quick: false,
      servers: "",
      only: "",
      rounds: 0,
      seconds: 0,
      "warm-up": 0,
      chatload: "",
      json: `${root}dist/bench.json`,
    });
  const defaults = isQuick
    ? quick
    : { servers: (await installServers()).join(","), only: "", rounds: 5, seconds: 4 };
  const names = (flags.servers || defaults.servers).split(",");
  const only = flags.only || defaults.only;
  const rounds = flags.rounds || defaults.rounds;
  const seconds = flags.seconds || defaults.seconds;
  const results: Result[] = [];
  const isSelected = ({ name }: Scenario) => only === "" || only.split(";").includes(name);
  for (const scenario of scenarios.filter(isSelected)) {
    for (let round = 1; round <= rounds; round++) {
      for (const name of names) {
        const result = await measure(name, scenario, seconds, generatorPath, warmUp);
        results.push(result);
        if (isQuick) continue;
        const disorder = result.outOfOrder > 0 ? `, ${result.outOfOrder} out of order` : "";
        const rate = formatInteger(perCpuSecond(result));
        print(`${scenario.name} ${round}: ${name} ${rate} per CPU-second${disorder}`);
      }
    }
  }
  print(isQuick ? ratios(results, names) : report(results, names));
  await Deno.mkdir(dirname(json), { recursive: true });
  await Deno.writeTextFile(json, JSON.stringify(results, null, 2));
}

if (import.meta.main) await main();

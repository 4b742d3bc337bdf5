// The soak test: for a long time, clients send at a steady rate, connect, leave and are replaced,
// while the server's memory, descriptors and threads are measured from outside. `deno task soak
// --minutes 30`.

import { setTimeout as sleep } from "node:timers/promises";
import { Ledger } from "../crash/ledger.ts";
import { Person } from "../crash/person.ts";
import { checkDatabase } from "../crash/stored_log.ts";
import { Client } from "../crash/crash_client.ts";
import { ServerProcess } from "../../support/server_process.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { readTaskFlags } from "../../support/task_flags.ts";
import { handshakeLines } from "../../support/web_harness.ts";

/** The parameters of a run. */
export interface Plan {
  readonly seconds: number;
  readonly clients: number;
  readonly messagesPerSecond: number;
  readonly seed: number;
  /** `GRACE_SECONDS` of the server. */
  readonly graceSeconds: number;
}

/** The server's state at one moment. Memory is in MiB. */
export interface Sample {
  /** Seconds since the clients connected. */
  readonly at: number;
  readonly resident: number;
  readonly heap: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly connections: number;
  readonly members: number;
  readonly rooms: number;
}

/** The trend of one value over the samples. */
export interface Trend {
  readonly name: keyof Sample;
  /** Medians of the first and the last third after the warm-up. */
  readonly first: number;
  readonly last: number;
  readonly isFlat: boolean;
}

/** The result of a run. */
export interface Report {
  readonly violations: readonly string[];
  readonly ledger: Ledger;
  readonly samples: readonly Sample[];
  readonly trends: readonly Trend[];
  /** Before the first client connected, and after the last was gone. */
  readonly before: Sample;
  readonly after: Sample;
  readonly churn: Readonly<Record<string, number>>;
  readonly stored: number;
  /** The server's folder. It is kept after a violation. */
  readonly dir: string;
}

const paceMs = 20;
const maxSamples = 360;
const minSampleMs = 1_000;
/** Share of the run in which V8's heap, SQLite's cache and the rooms' messages still grow. */
const warmUp = 1 / 6;
/** Max growth that counts as flat. */
const tolerance = 0.05;
const timeoutMs = 60_000;
const metricsToken = "soak-test-metrics-token";
const rooms = ["lobby", ...Array.from({ length: 10 }, (_, i) => `room-${i}`)];
/** Number of each action per second, among 200 clients. */
const churnPerSecond = {
  /** Close without a goodbye, and reconnect. */
  drop: 2,
  /** Leave the connection half-open, and make a new one. */
  abandon: 1,
  /** Leave for good; a client with a new token takes its place. */
  replace: 0.5,
  /** A new client connects, and its TCP connection ends without a close frame. */
  vanish: 0.5,
  join: 1,
  leave: 1,
  scrollBack: 0.5,
  rename: 0.3,
};
type Action = keyof typeof churnPerSecond;

/** Runs a plan and checks its result. */
export async function runSoakTest(
  plan: Plan,
  onSample: (sample: Sample) => void = () => {},
): Promise<Report> {
  const dir = await Deno.makeTempDir({ prefix: "parley-soak-" });
  const server = await ServerProcess.start(dir, {
    env: { METRICS_TOKEN: metricsToken, GRACE_SECONDS: String(plan.graceSeconds) },
  });
  const run = new Run(plan, server, onSample);
  const { ledger } = run;
  try {
    await run.run();
    const code = await server.end();
    if (code !== 0) ledger.addViolation(`the server exited with status ${code}`);
  } catch (error) {
    ledger.addViolation(error instanceof Error ? error.message : String(error));
    await server.end("SIGKILL").catch(() => {});
  }
  await run.end();
  const stored = checkDatabase(`${dir}/data/parley.db`, ledger);
  const report = run.report(dir, stored);
  if (report.violations.length === 0) await Deno.remove(dir, { recursive: true });
  return report;
}

class Run {
  readonly #plan: Plan;
  readonly #server: ServerProcess;
  readonly #onSample: (sample: Sample) => void;
  readonly #random: SeededRandom;
  readonly ledger: Ledger;
  readonly #clients: Client[] = [];
  /** Departures still in progress. */
  readonly #departures = new Set<Promise<void>>();
  readonly #samples: Sample[] = [];
  readonly #churn: Record<Action, number> = {
    drop: 0,
    abandon: 0,
    replace: 0,
    vanish: 0,
    join: 0,
    leave: 0,
    scrollBack: 0,
    rename: 0,
  };
  #before: Sample | undefined;
  #after: Sample | undefined;
  #personCount = 0;
  #messageCount = 0;
  #startedAt = performance.now();

  constructor(plan: Plan, server: ServerProcess, onSample: (sample: Sample) => void) {
    this.#plan = plan;
    this.#server = server;
    this.#onSample = onSample;
    this.#random = new SeededRandom(plan.seed);
    // Half of the grace: a client measures it from when it leaves, the server from when it notices.
    this.ledger = new Ledger(plan.graceSeconds * 500);
  }

  async run(): Promise<void> {
    // The first sample allocates memory that later ones reuse.
    await this.#takeSample();
    const before = this.#before = await this.#takeSample();
    for (let i = 0; i < this.#plan.clients; i++) this.#clients.push(this.#addClient());
    await this.#waitUntil(
      () => this.#clients.every(({ isConnected }) => isConnected),
      "a client never connected",
    );
    await this.#run();
    for (const client of this.#clients) client.reconnectNow();
    const isSettled = () => this.#clients.every((client) => client.isSettled);
    await this.#waitUntil(isSettled, "a message never arrived");
    await Promise.all([...this.#clients.map((client) => client.end()), ...this.#departures]);
    await this.#checkEmpty(before);
  }

  /** Ends the remaining clients after an error. */
  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
    await Promise.all(this.#departures);
  }

  report(dir: string, stored: number): Report {
    const { ledger } = this;
    const emptySample = {
      at: 0,
      resident: 0,
      heap: 0,
      descriptors: 0,
      threads: 0,
      connections: 0,
      members: 0,
      rooms: 0,
    };
    return {
      violations: ledger.violations,
      ledger,
      samples: this.#samples,
      trends: trendsOf(this.#samples),
      before: this.#before ?? emptySample,
      after: this.#after ?? emptySample,
      churn: this.#churn,
      stored,
      dir,
    };
  }

  #addClient(): Client {
    const id = `person ${++this.#personCount}`;
    const { ledger } = this;
    const client = new Client({
      urls: [`${this.#server.url.replace("http", "ws")}ws`],
      person: new Person(ledger, id, this.#random.token()),
      tab: 0,
      username: `Client ${this.#personCount}`,
      ledger,
      random: this.#random,
    });
    client.join("lobby");
    client.join(this.#randomRoom());
    client.start();
    return client;
  }

  #randomRoom(): string {
    return this.#random.pick(rooms) ?? "lobby";
  }

  async #run(): Promise<void> {
    const { seconds, messagesPerSecond, clients } = this.#plan;
    const actions: readonly (readonly [number, () => void])[] = [
      [messagesPerSecond, () => this.#sendMessage()],
      ...(Object.keys(churnPerSecond) as Action[]).map((action) =>
        [churnPerSecond[action] * clients / 200, () => this.#act(action)] as const
      ),
      [1, () => this.#clients.forEach((client) => client.checkSilence())],
    ];
    const doneCounts = actions.map(() => 0);
    const sampleMs = Math.max(minSampleMs, seconds * 1_000 / maxSamples);
    this.#startedAt = performance.now();
    let sampleAt = 0;
    for (;;) {
      const elapsed = performance.now() - this.#startedAt;
      if (elapsed >= seconds * 1_000 || this.ledger.violations.length > 0) return;
      for (const [i, [perSecond, act]] of actions.entries()) {
        const dueCount = Math.ceil(elapsed / 1_000 * perSecond);
        for (let count = doneCounts[i] ?? 0; count < dueCount; count++) act();
        doneCounts[i] = Math.max(doneCounts[i] ?? 0, dueCount);
      }
      if (elapsed >= sampleAt) {
        const sample = await this.#takeSample();
        this.#samples.push(sample);
        this.#onSample(sample);
        sampleAt += sampleMs;
      }
      await sleep(paceMs);
    }
  }

  #sendMessage(): void {
    const client = this.#random.pick(this.#clients.filter(({ isConnected }) => isConnected));
    if (client === undefined) return;
    const room = this.#random.isTrue(0.5) ? "lobby" : this.#random.pick(client.rooms) ?? "lobby";
    const length = this.#random.isTrue(0.05) ? this.#random.below(300) : this.#random.below(10);
    client.send(room, `said ${++this.#messageCount} ${"äöü 🙂 ".repeat(length)}`.trim());
  }

  #act(action: Action): void {
    const at = this.#random.below(this.#clients.length);
    const client = this.#clients[at];
    if (client === undefined || !client.isConnected && action !== "vanish") return;
    this.#churn[action]++;
    switch (action) {
      case "drop":
      case "abandon":
        return client[action]();
      case "join":
        return client.rooms.length < 6 ? client.join(this.#randomRoom()) : undefined;
      case "leave": {
        const room = this.#random.pick(client.rooms);
        return room === undefined || room === "lobby" ? undefined : client.leave(room);
      }
      case "scrollBack":
        return client.scrollBack(this.#random.pick(client.rooms) ?? "lobby");
      case "rename":
        return client.rename(`Name ${this.#random.below(150)}`);
      case "replace":
        if (!client.isSettled) return;
        this.#clients[at] = this.#addClient();
        return this.#trackDeparture(client.end());
      case "vanish":
        return this.#trackDeparture(
          vanish(this.#server.port, this.#churn.vanish, this.#randomRoom()),
        );
    }
  }

  #trackDeparture(departure: Promise<void>): void {
    const tracked = departure
      .catch((error) => this.ledger.addViolation(String(error)))
      .finally(() => this.#departures.delete(tracked));
    this.#departures.add(tracked);
  }

  async #takeSample(): Promise<Sample> {
    const { pid } = this.#server.process;
    const status = await Deno.readTextFile(`/proc/${pid}/status`);
    const field = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
    let descriptors = 0;
    for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) descriptors++;
    const response = await fetch(`${this.#server.url}metrics`, {
      headers: { authorization: `Bearer ${metricsToken}` },
    });
    const metrics = await response.text();
    const gauge = (name: string) =>
      Number(new RegExp(`^parley_${name} (\\S+)`, "m").exec(metrics)?.[1]);
    return {
      at: (performance.now() - this.#startedAt) / 1_000,
      resident: field("VmRSS") / 1_024,
      heap: gauge("heap_used_bytes") / 1_024 / 1_024,
      descriptors,
      threads: field("Threads"),
      connections: gauge("connections"),
      members: gauge("members"),
      rooms: gauge("rooms"),
    };
  }

  /** Checks that the server keeps nothing of clients that are gone. */
  async #checkEmpty(before: Sample): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const { connections, members, rooms, descriptors } = this.#after = await this.#takeSample();
      const remaining = connections + members + rooms;
      if (remaining === 0 && descriptors <= before.descriptors) return;
      if (performance.now() > deadline) {
        return this.ledger.addViolation(
          `after all clients are gone there are ${connections} connections, ${members} members and ` +
            `${rooms} rooms, and ${descriptors} descriptors instead of ${before.descriptors}`,
        );
      }
      await sleep(100);
    }
  }

  async #waitUntil(condition: () => boolean, failure: string): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition() && this.ledger.violations.length === 0) {
      if (performance.now() > deadline) throw new Error(failure);
      await sleep(paceMs);
    }
  }
}

/** Says hello as a client whose network fails: its connection ends without a close frame. */
async function vanish(port: number, number: number, room: string): Promise<void> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const encoder = new TextEncoder();
  await connection.write(encoder.encode(`${handshakeLines().join("\r\n")}\r\n\r\n`));
  await connection.read(new Uint8Array(4_096));
  const hello = encoder.encode(
    JSON.stringify({ type: "hello", username: `Gone ${number}`, rooms: [{ room }] }),
  );
  // A text frame of fewer than 126 bytes, masked with zeros.
  await connection.write(new Uint8Array([0x81, 0x80 | hello.length, 0, 0, 0, 0, ...hello]));
  await connection.read(new Uint8Array(4_096));
}

function trendsOf(samples: readonly Sample[]): Trend[] {
  const settled = samples.slice(Math.floor(samples.length * warmUp));
  const third = Math.floor(settled.length / 3);
  const names = ["resident", "heap", "descriptors", "threads", "connections", "members"] as const;
  return names.map((name) => {
    const first = medianOf(settled.slice(0, third).map((sample) => sample[name]));
    const last = medianOf(settled.slice(settled.length - third).map((sample) => sample[name]));
    return { name, first, last, isFlat: last <= first * (1 + tolerance) };
  });
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

function formatSample(sample: Sample): string {
  const { at, resident, heap, descriptors, threads, connections, members, rooms } = sample;
  return `${at.toFixed(0).padStart(6)} s  ${resident.toFixed(1)} MiB resident, ` +
    `${heap.toFixed(1)} MiB heap, ${descriptors} descriptors, ${threads} threads, ` +
    `${connections} connections, ${members} members, ${rooms} rooms`;
}

/** Returns a summary of a run. */
export function summary(plan: Plan, report: Report): string {
  const { ledger: { counts }, stored, churn, trends, before, after, violations, dir } = report;
  const actions = Object.entries(churn).map(([action, times]) => `${action} ${times}`).join(", ");
  const lines = [
    `${plan.seconds} s, ${plan.clients} clients, ${plan.messagesPerSecond} messages per second`,
    `messages: ${counts.sent} sent, ${counts.acknowledged} acknowledged, ${stored} stored, ` +
    `${counts.received} received`,
    `churn: ${counts.connections} connections, ${counts.recovered} rooms recovered; ${actions}`,
    ...trends.map(({ name, first, last, isFlat }) =>
      `${name}: ${first.toFixed(1)} then ${last.toFixed(1)}, ` +
      `${((last / first - 1) * 100).toFixed(1)} % ${isFlat ? "flat" : "NOT FLAT"}`
    ),
    `before the first client: ${formatSample(before).trim()}`,
    `after the last: ${formatSample(after).trim()}`,
  ];
  if (violations.length === 0) return [...lines, "nothing was lost or duplicated"].join("\n");
  return [...lines, "", ...violations, "", `The server's files are in ${dir}`].join("\n");
}

if (import.meta.main) {
  const flags = readTaskFlags({ minutes: 30, seconds: 0, clients: 200, rate: 50, seed: 1 });
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const plan = {
    seconds: flags.seconds || flags.minutes * 60,
    clients: flags.clients,
    messagesPerSecond: flags.rate,
    seed: flags.seed,
    graceSeconds: 10,
  };
  let count = 0;
  const report = await runSoakTest(
    plan,
    (sample) => count++ % 10 === 0 && print(formatSample(sample)),
  );
  print(summary(plan, report));
  // The heap rises and falls with garbage collection, so only resident memory counts.
  const isFlat = report.trends.every(({ name, isFlat }) => isFlat || name === "heap");
  Deno.exit(report.violations.length === 0 && isFlat ? 0 : 1);
}

// The real server for a long time: clients write at a steady rate, come, go and are replaced, while memory, descriptors and
// threads are measured from outside. `deno task soak --minutes 30`.

import { Books, Person } from "../crash/ledger.ts";
import { Client } from "../crash/crash_client.ts";
import { ServerProcess } from "../../support/server_process.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { handshakeLines } from "../../support/web_harness.ts";

/** How long, with whom and how much. */
export interface Plan {
  readonly seconds: number;
  readonly clients: number;
  readonly messagesPerSecond: number;
  readonly seed: number;
  /** The server's grace. */
  readonly graceSeconds: number;
}

/** The server at one moment. Memory in MiB. */
export interface Sample {
  /** Seconds since the clients came. */
  readonly at: number;
  readonly resident: number;
  readonly heap: number;
  readonly descriptors: number;
  readonly threads: number;
  readonly connections: number;
  readonly members: number;
  readonly rooms: number;
}

/** What became of one figure. */
export interface Trend {
  readonly name: keyof Sample;
  /** Medians of the first and the last third after the warm-up. */
  readonly first: number;
  readonly last: number;
  readonly isFlat: boolean;
}

/** What happened. */
export interface Report {
  readonly violations: readonly string[];
  readonly books: Books;
  readonly samples: readonly Sample[];
  readonly trends: readonly Trend[];
  /** Before the first client and after the last. */
  readonly before: Sample;
  readonly after: Sample;
  readonly churn: Readonly<Record<string, number>>;
  readonly stored: number;
  /** Folder of the server, which is kept when something is wrong. */
  readonly dir: string;
}

const paceMs = 20;
const samplesMost = 360;
const sampleLeastMs = 1_000;
/** V8 fills its spaces, SQLite its cache and the lists of the newest messages grow for this part of the time. */
const warmUp = 1 / 6;
/** What still counts as flat. */
const tolerance = 0.05;
const patienceMs = 60_000;
const metricsToken = "soak-test-metrics-token";
const rooms = ["lobby", ...Array.from({ length: 10 }, (_, i) => `room-${i}`)];
/** How often each happens in a second, among 200 clients. */
const churnPerSecond = {
  /** The connection is closed without a goodbye, and made again. */
  drop: 2,
  /** The connection is given up, and another takes its place. */
  abandon: 1,
  /** Somebody says goodbye for good, and somebody with a new token comes. */
  replace: 0.5,
  /** Somebody comes, and its TCP connection ends without a word. */
  vanish: 0.5,
  join: 1,
  leave: 1,
  scrollBack: 0.5,
  rename: 0.3,
};
type Act = keyof typeof churnPerSecond;

/** Lets a plan happen, and judges it. */
export async function soak(plan: Plan, tell: (sample: Sample) => void = () => {}): Promise<Report> {
  const dir = await Deno.makeTempDir({ prefix: "parley-soak-" });
  const server = await ServerProcess.start(dir, {
    env: { METRICS_TOKEN: metricsToken, GRACE_SECONDS: String(plan.graceSeconds) },
  });
  const run = new Run(plan, server, tell);
  const { books } = run;
  try {
    await run.run();
    const code = await server.end();
    if (code !== 0) books.violate(`the server ended with ${code}`);
  } catch (error) {
    books.violate(error instanceof Error ? error.message : String(error));
    await server.end("SIGKILL").catch(() => {});
  }
  await run.end();
  const stored = books.judge(`${dir}/data/parley.db`);
  const report = run.report(dir, stored);
  if (report.violations.length === 0) await Deno.remove(dir, { recursive: true });
  return report;
}

class Run {
  readonly #plan: Plan;
  readonly #server: ServerProcess;
  readonly #tell: (sample: Sample) => void;
  readonly #chance: SeededRandom;
  readonly books: Books;
  readonly #clients: Client[] = [];
  /** What is not over yet of those who are gone. */
  readonly #going = new Set<Promise<void>>();
  readonly #samples: Sample[] = [];
  readonly #churn: Record<Act, number> = {
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
  #persons = 0;
  #said = 0;
  #startedAt = performance.now();

  constructor(plan: Plan, server: ServerProcess, tell: (sample: Sample) => void) {
    this.#plan = plan;
    this.#server = server;
    this.#tell = tell;
    this.#chance = new SeededRandom(plan.seed);
    // Half of the grace, since clients count from when they went and the server from when it noticed.
    this.books = new Books(plan.graceSeconds * 500);
  }

  async run(): Promise<void> {
    // The first look makes what later ones use again.
    await this.#look();
    const before = this.#before = await this.#look();
    for (let i = 0; i < this.#plan.clients; i++) this.#clients.push(this.#arrive());
    await this.#until(() => this.#clients.every(({ isHere }) => isHere), "clients cannot come in");
    await this.#live();
    for (const client of this.#clients) client.hurry();
    const isSettled = () => this.#clients.every((client) => client.isSettled);
    await this.#until(isSettled, "something never arrives");
    await Promise.all([...this.#clients.map((client) => client.end()), ...this.#going]);
    await this.#empty(before);
  }

  /** Ends what is left of the clients when something went wrong. */
  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
    await Promise.all(this.#going);
  }

  report(dir: string, stored: number): Report {
    const { books } = this;
    const none = {
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
      violations: books.violations,
      books,
      samples: this.#samples,
      trends: trendsOf(this.#samples),
      before: this.#before ?? none,
      after: this.#after ?? none,
      churn: this.#churn,
      stored,
      dir,
    };
  }

  // ---------------------------------------------------------------- the clients

  #arrive(): Client {
    const id = `person ${++this.#persons}`;
    const { books } = this;
    const client = new Client({
      urls: [`${this.#server.url.replace("http", "ws")}ws`],
      person: new Person(books, id, this.#token()),
      tab: 0,
      username: `Client ${this.#persons}`,
      books,
      chance: this.#chance,
    });
    client.join("lobby");
    client.join(this.#someRoom());
    client.start();
    return client;
  }

  #token(): string {
    const letters = Array.from({ length: 42 }, () => "abcdefghijklmnop"[this.#chance.below(16)]);
    return `${letters.join("")}A`;
  }

  #someRoom(): string {
    return this.#chance.pick(rooms) ?? "lobby";
  }

  async #live(): Promise<void> {
    const { seconds, messagesPerSecond, clients } = this.#plan;
    const acts: readonly (readonly [number, () => void])[] = [
      [messagesPerSecond, () => this.#say()],
      ...(Object.keys(churnPerSecond) as Act[]).map((act) =>
        [churnPerSecond[act] * clients / 200, () => this.#act(act)] as const
      ),
      [1, () => this.#clients.forEach((client) => client.watch())],
    ];
    const done = acts.map(() => 0);
    const sampleMs = Math.max(sampleLeastMs, seconds * 1_000 / samplesMost);
    this.#startedAt = performance.now();
    let sampleAt = 0;
    for (;;) {
      const elapsed = performance.now() - this.#startedAt;
      if (elapsed >= seconds * 1_000 || this.books.violations.length > 0) return;
      for (const [i, [perSecond, act]] of acts.entries()) {
        for (; (done[i] ?? 0) < elapsed / 1_000 * perSecond; done[i] = (done[i] ?? 0) + 1) act();
      }
      if (elapsed >= sampleAt) {
        const sample = await this.#look();
        this.#samples.push(sample);
        this.#tell(sample);
        sampleAt += sampleMs;
      }
      await this.#pause(paceMs);
    }
  }

  #say(): void {
    const client = this.#chance.pick(this.#clients.filter(({ isHere }) => isHere));
    if (client === undefined) return;
    const room = this.#chance.isTrue(0.5) ? "lobby" : this.#chance.pick(client.rooms) ?? "lobby";
    const length = this.#chance.isTrue(0.05) ? this.#chance.below(300) : this.#chance.below(10);
    client.say(room, `said ${++this.#said} ${"äöü 🙂 ".repeat(length)}`.trim());
  }

  #act(act: Act): void {
    const at = this.#chance.below(this.#clients.length);
    const client = this.#clients[at];
    if (client === undefined || !client.isHere && act !== "vanish") return;
    this.#churn[act]++;
    switch (act) {
      case "drop":
      case "abandon":
        return client[act]();
      case "join":
        return client.rooms.length < 6 ? client.join(this.#someRoom()) : undefined;
      case "leave": {
        const room = this.#chance.pick(client.rooms);
        return room === undefined || room === "lobby" ? undefined : client.leave(room);
      }
      case "scrollBack":
        return client.scrollBack(this.#chance.pick(client.rooms) ?? "lobby");
      case "rename":
        return client.rename(`Name ${this.#chance.below(150)}`);
      case "replace":
        if (!client.isSettled) return;
        this.#clients[at] = this.#arrive();
        return this.#follow(client.end());
      case "vanish":
        return this.#follow(vanish(this.#server.port, this.#churn.vanish, this.#someRoom()));
    }
  }

  #follow(going: Promise<void>): void {
    const followed = going
      .catch((error) => this.books.violate(String(error)))
      .finally(() => this.#going.delete(followed));
    this.#going.add(followed);
  }

  // ---------------------------------------------------------------- the server

  async #look(): Promise<Sample> {
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

  /** When everybody is gone, nothing of them may be left. */
  async #empty(before: Sample): Promise<void> {
    const end = performance.now() + patienceMs;
    for (;;) {
      const { connections, members, rooms, descriptors } = this.#after = await this.#look();
      const left = connections + members + rooms;
      if (left === 0 && descriptors <= before.descriptors) return;
      if (performance.now() > end) {
        return this.books.violate(
          `after everybody is gone there are ${connections} connections, ${members} members and ` +
            `${rooms} rooms, and ${descriptors} descriptors instead of ${before.descriptors}`,
        );
      }
      await this.#pause(100);
    }
  }

  // ---------------------------------------------------------------- time

  async #until(condition: () => boolean, otherwise: string): Promise<void> {
    const end = performance.now() + patienceMs;
    while (!condition() && this.books.violations.length === 0) {
      if (performance.now() > end) throw new Error(otherwise);
      await this.#pause(paceMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** A client whose cable is cut: it says hello, and then its connection ends without a close frame. */
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

// ------------------------------------------------------------------ what it means

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

function lineOf(sample: Sample): string {
  const { at, resident, heap, descriptors, threads, connections, members, rooms } = sample;
  return `${at.toFixed(0).padStart(6)} s  ${resident.toFixed(1)} MiB resident, ` +
    `${heap.toFixed(1)} MiB heap, ${descriptors} descriptors, ${threads} threads, ` +
    `${connections} connections, ${members} members, ${rooms} rooms`;
}

/** A few lines that say what happened, and whether everything stayed flat. */
export function summary(plan: Plan, report: Report): string {
  const { books: { counts }, stored, churn, trends, before, after, violations, dir } = report;
  const done = Object.entries(churn).map(([act, times]) => `${act} ${times}`).join(", ");
  const lines = [
    `${plan.seconds} s, ${plan.clients} clients, ${plan.messagesPerSecond} messages a second`,
    `messages: ${counts.written} written, ${counts.acked} acknowledged, ${stored} in the file, ` +
    `${counts.received} received`,
    `churn: ${counts.connections} connections, ${counts.recovered} rooms resumed; ${done}`,
    ...trends.map(({ name, first, last, isFlat }) =>
      `${name}: ${first.toFixed(1)} then ${last.toFixed(1)}, ` +
      `${((last / first - 1) * 100).toFixed(1)} % ${isFlat ? "flat" : "NOT FLAT"}`
    ),
    `before the first client: ${lineOf(before).trim()}`,
    `after the last: ${lineOf(after).trim()}`,
  ];
  if (violations.length === 0) return [...lines, "nothing was lost or doubled"].join("\n");
  return [...lines, "", ...violations, "", `The server's files are in ${dir}`].join("\n");
}

if (import.meta.main) {
  const flag = (name: string, fallback: number) => {
    const at = Deno.args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(Deno.args[at + 1]);
  };
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const plan = {
    seconds: flag("seconds", flag("minutes", 30) * 60),
    clients: flag("clients", 200),
    messagesPerSecond: flag("rate", 50),
    seed: flag("seed", 1),
    graceSeconds: 10,
  };
  let count = 0;
  const report = await soak(plan, (sample) => count++ % 10 === 0 && say(lineOf(sample)));
  say(summary(plan, report));
  // The heap goes up and down with each collection: only what the system has given counts.
  const isFlat = report.trends.every(({ name, isFlat }) => isFlat || name === "heap");
  Deno.exit(report.violations.length === 0 && isFlat ? 0 : 1);
}

// The real server, really killed: clients that keep books write and come and go, while the server dies at random moments and
// starts again on the same port and file. `deno task crash-test --rounds 100 --seed 1 --signal KILL`; with `--nodes 3` it is
// several servers and a Redis.

import { SeededRandom } from "../../support/seeded_random.ts";
import { Books, Person } from "./ledger.ts";
import { Client } from "./crash_client.ts";
import { ManyNodes } from "./redis_nodes.ts";
import { OneServer } from "./single_node.ts";
import type { Site } from "./crash_target.ts";

/** What is to happen. The seed decides who does what and after how much the server dies; the machine decides the rest. */
export interface Plan {
  /** How often the server dies. */
  readonly rounds: number;
  readonly seed: number;
  /** How it dies; `mixed` also kills servers that are stopping. */
  readonly signal: "KILL" | "TERM" | "mixed";
  readonly durability: "normal" | "full";
  /** More than one: several servers on one Redis, which fail one by one, and so does Redis. */
  readonly nodes: number;
  /** When that Redis writes to its disk. */
  readonly appendfsync: "always" | "everysec";
  readonly clients: number;
  /** Frames that a client gets in one life of the server: from none to this many, in the mean. */
  readonly framesMost: number;
}

/** What happened. */
export interface Report {
  readonly violations: readonly string[];
  /** Folder of the server, which is kept when something is wrong. */
  readonly dir: string;
  /** Messages in the file at the end. */
  readonly stored: number;
  readonly crashes: number;
  /** How long a start took until the server could be reached, in ms, from the fastest to the slowest. */
  readonly startMs: readonly number[];
  /** What failed, and how often. */
  readonly faults: ReadonlyMap<string, number>;
  readonly books: Books;
}

const paceMs = 4;
/** What all clients together do in a second. */
const actsPerSecond = 400;
/** Longest wait between the moment that was chosen and the signal, so that it falls anywhere in a turn of the server. */
const jitterMs = 12;
/** When nothing happens for so long, something hangs. */
const patienceMs = 60_000;
/** Names that everybody wants. */
const wantedNames = Array.from({ length: 12 }, (_, i) => `Wanted ${i}`);

/** Lets a plan happen, and judges it. */
export async function crash(plan: Plan): Promise<Report> {
  const dir = await Deno.makeTempDir({ prefix: "parley-crash-" });
  const run = new Run(plan, dir);
  const report = await run.run();
  if (report.violations.length === 0) await Deno.remove(dir, { recursive: true });
  return report;
}

class Run {
  readonly #plan: Plan;
  readonly #dir: string;
  readonly #chance: SeededRandom;
  readonly #books: Books;
  readonly #site: Site;
  #clients: Client[] = [];
  /** Clients that stay away, and the round in which they return. */
  readonly #away = new Map<Client, number>();
  #round = 0;
  #said = 0;

  constructor(plan: Plan, dir: string) {
    this.#plan = plan;
    this.#dir = dir;
    const chance = this.#chance = new SeededRandom(plan.seed);
    // Of several nodes the grace is short, and so is the lease.
    const books = this.#books = new Books(plan.nodes > 1 ? 1_000 : undefined);
    const surroundings = {
      plan,
      dir,
      chance,
      books,
      clients: () => this.#clients,
      until: (condition: () => boolean, otherwise: string) => this.#until(condition, otherwise),
      pause: (ms: number) => this.#pause(ms),
    };
    this.#site = plan.nodes > 1 ? new ManyNodes(surroundings) : new OneServer(surroundings);
  }

  async run(): Promise<Report> {
    const { rounds } = this.#plan;
    const books = this.#books;
    const site = this.#site;
    await site.start();
    this.#clients = this.#makeClients();
    for (const client of this.#clients) client.start();
    let stored = 0;
    try {
      while (this.#round < rounds && books.violations.length === 0) {
        await this.#live();
        await site.fail();
        this.#round++;
        this.#return();
      }
      await this.#settle();
      stored = await site.judge();
    } catch (error) {
      books.violate(error instanceof Error ? error.message : String(error));
    } finally {
      await Promise.all(this.#clients.map((client) => client.end()));
      await site.end();
    }
    for (const line of await site.errors()) books.violate(`a server wrote: ${line}`);
    return {
      violations: books.violations,
      dir: this.#dir,
      stored,
      crashes: this.#round,
      startMs: site.startMs.toSorted((a, b) => a - b),
      faults: site.faults,
      books,
    };
  }

  #makeClients(): Client[] {
    const { urls } = this.#site;
    let person: Person | undefined;
    return Array.from({ length: this.#plan.clients }, (_, i) => {
      // Every fifth one is another tab of the one before.
      const tab = i % 5 === 4 && person !== undefined ? 1 : 0;
      if (tab === 0 || person === undefined) {
        person = new Person(this.#books, `person ${i}`, this.#token());
      }
      const username = `Client ${i - tab}`;
      const books = this.#books;
      const client = new Client({ urls, person, tab, username, books, chance: this.#chance });
      client.join("lobby");
      return client;
    });
  }

  #token(): string {
    const letters = Array.from({ length: 42 }, () => "abcdefghijklmnop"[this.#chance.below(16)]);
    return `${letters.join("")}A`;
  }

  // ---------------------------------------------------------------- the clients

  /** Lets the clients do things until it is time to die. */
  async #live(): Promise<void> {
    // Often soon, so that many are still coming back.
    const { framesMost, clients } = this.#plan;
    const frames = this.#books.frames + this.#chance.next() ** 2 * framesMost * clients;
    let due = 0;
    const act = () => {
      due += actsPerSecond * paceMs / 1000;
      for (; due >= 1; due--) this.#act();
    };
    await this.#until(() => this.#books.frames >= frames, "nothing happens", act);
    // Often in the middle of the work that much at once makes.
    if (this.#chance.isTrue(0.6)) {
      for (const client of this.#clients) {
        if (client.isHere) client.say(this.#chance.pick(client.rooms) ?? "lobby", this.#text());
      }
    }
    await this.#pause(this.#chance.next() * jitterMs);
  }

  #act(): void {
    const chance = this.#chance;
    const client = chance.pick(this.#clients);
    if (client === undefined) return;
    const room = chance.pick(client.rooms) ?? "lobby";
    const acts: readonly (readonly [number, () => void])[] = [
      [80, () => {
        if (!client.isOn) return;
        for (let i = chance.below(4); i >= 0; i--) client.say(room, this.#text());
      }],
      // Ever more rooms, so that some are new when the server dies.
      [4, () => client.isOn && client.rooms.length < 8 && client.join(this.#someRoom())],
      [3, () => room !== "lobby" && client.leave(room)],
      [4, () => client.scrollBack(room)],
      [3, () => client.rename(this.#someName())],
      [2, () => client.abandon()],
      [2, () => client.drop()],
      [1, () => {
        if (this.#away.size > this.#clients.length / 3 || this.#away.has(client)) return;
        if (chance.isTrue(0.5)) client.goodbye();
        else client.vanish();
        this.#away.set(client, this.#round + chance.below(20));
      }],
    ];
    let at = chance.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, run] of acts) {
      at -= weight;
      if (at < 0) return run();
    }
  }

  #someRoom(): string {
    return `room-${this.#chance.below(3 + Math.floor(this.#round / 4))}`;
  }

  #someName(): string {
    return this.#chance.isTrue(0.7)
      ? this.#chance.pick(wantedNames) ?? ""
      : `Name ${this.#chance.below(1_000)}`;
  }

  /** Mostly short; some long, so that what was missed does not fit into one page. */
  #text(): string {
    const length = this.#chance.isTrue(0.1) ? this.#chance.below(3_500) : this.#chance.below(60);
    return `said ${++this.#said} ${"äöü 🙂 ".repeat(length / 6)}`.trim();
  }

  /** The server is there again: whose time has come returns, and most others at once. */
  #return(): void {
    for (const [client, round] of this.#away) {
      if (round > this.#round) continue;
      this.#away.delete(client);
      client.start();
    }
    for (const client of this.#clients) {
      if (this.#chance.isTrue(0.8)) client.hurry();
    }
  }

  /** Nobody writes any more; everything that was written has to arrive everywhere. */
  async #settle(): Promise<void> {
    this.#away.clear();
    for (const client of this.#clients) {
      client.start();
      client.hurry();
    }
    const isSettled = () => this.#clients.every((client) => client.isSettled);
    await this.#until(isSettled, "something never arrives");
    await this.#until(() => this.#isAgreed, "somebody sees others in a room than are there");
  }

  /** Whether everybody sees those who are in a room, and nobody else. */
  get #isAgreed(): boolean {
    const here = new Map<string, Set<string>>();
    const views = this.#clients.flatMap((client) =>
      [...client.views.values()].filter(({ phase }) => phase === "live")
        .map((view) => ({ view, member: client.member }))
    );
    for (const { view, member } of views) {
      here.set(view.name, (here.get(view.name) ?? new Set()).add(member));
    }
    return views.every(({ view: { name, nameOf } }) => {
      const members = here.get(name);
      return nameOf.size === members?.size && [...nameOf.keys()].every((one) => members.has(one));
    });
  }

  // ---------------------------------------------------------------- time

  /** Waits for a condition, with something to do meanwhile. */
  async #until(condition: () => boolean, otherwise: string, act = () => {}): Promise<void> {
    const end = performance.now() + patienceMs;
    while (!condition() && this.#books.violations.length === 0) {
      if (performance.now() > end) throw new Error(otherwise);
      act();
      await this.#pause(paceMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }
}

/** A few lines that say what happened, and how to let it happen again. */
export function summary(plan: Plan, report: Report): string {
  const { books, stored, crashes, startMs, faults, violations, dir } = report;
  const { counts, codes } = books;
  const ended = [...codes].sort().map(([code, count]) => `${code} ${count} times`).join(", ");
  const median = startMs[startMs.length >> 1] ?? 0;
  const failed = [...faults].map(([fault, count]) => `${fault} ${count}`).join(", ");
  const lines = [
    plan.nodes > 1
      ? `${crashes} rounds, ${plan.nodes} nodes, appendfsync ${plan.appendfsync}, ${plan.clients} clients`
      : `${crashes} times ${plan.signal}, durability ${plan.durability}, ${plan.clients} clients`,
    ...(failed === "" ? [] : [`failed: ${failed}`]),
    `messages: ${counts.written} written, ${counts.acked} acknowledged, ${stored} in the log, ` +
    `${counts.repeats} sent again though they were stored, ${counts.received} received`,
    `connections: ${counts.connections}, ended by the server with ${ended || "nothing"}`,
    `rooms resumed: ${counts.recovered} times whole, ${counts.pages} of them in part, ` +
    `${counts.notRecovered} times with ${counts.missed} messages announced as missed`,
    `names: ${counts.renames} renames, ${counts.taken} refused`,
    `refused since the log could not be reached: ${counts.unavailable} commands`,
    `start: ${median.toFixed(0)} ms (median), ${(startMs.at(-1) ?? 0).toFixed(0)} ms at most`,
  ];
  if (violations.length === 0) return [...lines, "no promise was broken"].join("\n");
  const again = `deno task crash-test --rounds ${plan.rounds} --seed ${plan.seed} ` +
    `--signal ${plan.signal} --durability ${plan.durability} --nodes ${plan.nodes} ` +
    `--appendfsync ${plan.appendfsync} --clients ${plan.clients} ` +
    `--frames ${plan.framesMost}`;
  return [...lines, "", ...violations, "", `The server's files are in ${dir}`, `Again: ${again}`]
    .join("\n");
}

function readPlan(args: readonly string[]): Plan {
  const flag = (name: string) => {
    const at = args.indexOf(`--${name}`);
    return at < 0 ? undefined : args[at + 1];
  };
  const choice = <T extends string>(name: string, choices: readonly [T, ...T[]]): T => {
    const given = flag(name) ?? choices[0];
    const found = choices.find((each) => each === given);
    if (found === undefined) {
      throw new Error(`Cannot use --${name} ${given}: ${choices.join(", ")}`);
    }
    return found;
  };
  return {
    rounds: Number(flag("rounds") ?? 100),
    seed: Number(flag("seed") ?? Math.floor(Math.random() * 1e6)),
    signal: choice("signal", ["KILL", "TERM", "mixed"]),
    durability: choice("durability", ["normal", "full"]),
    nodes: Number(flag("nodes") ?? 1),
    appendfsync: choice("appendfsync", ["always", "everysec"]),
    clients: Number(flag("clients") ?? 50),
    framesMost: Number(flag("frames") ?? 250),
  };
}

if (import.meta.main) {
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const plan = readPlan(Deno.args);
  const startedAt = performance.now();
  const report = await crash(plan);
  say(summary(plan, report));
  say(`${((performance.now() - startedAt) / 1000).toFixed(0)} s, seed ${plan.seed}`);
  Deno.exit(report.violations.length === 0 ? 0 : 1);
}

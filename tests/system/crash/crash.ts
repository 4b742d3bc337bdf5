// The crash test: clients send, leave and return, and record everything, while a real server dies
// at random moments and restarts on the same port and database. `deno task crash-test --rounds 100
// --seed 1 --signal KILL`; `--nodes 3` runs several nodes on a Redis.

import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../support/seeded_random.ts";
import { readTaskFlags } from "../../support/task_flags.ts";
import { jitterMs } from "./crash_target.ts";
import { Ledger } from "./ledger.ts";
import { Person } from "./person.ts";
import { Client } from "./crash_client.ts";
import { CrashModerator } from "./crash_moderator.ts";
import { HttpClient } from "./http_client.ts";
import { RedisNodes } from "./redis_nodes.ts";
import { SingleNode } from "./single_node.ts";
import type { CrashTarget } from "./crash_target.ts";
import type { Plan } from "./plan.ts";

/** The result of a run. */
export interface Report {
  readonly violations: readonly string[];
  /** The server's folder. It is kept after a violation. */
  readonly dir: string;
  /** Entries in storage at the end. */
  readonly stored: number;
  readonly crashes: number;
  /** Duration of each start until the server was reachable, sorted. */
  readonly startMs: readonly number[];
  /** Number of faults of each kind. */
  readonly faults: ReadonlyMap<string, number>;
  readonly ledger: Ledger;
}

const paceMs = 4;
/** Number of clients that use plain HTTP. */
const httpClients = 2;
/** Interval, in clients, of the people that the moderator may sanction. */
const targetEvery = 10;
/** Actions per second of all clients together. */
const actionsPerSecond = 400;
/** Max duration of any wait. */
const timeoutMs = 60_000;
/** Names that all clients compete for. */
const contestedNames = Array.from({ length: 12 }, (_, i) => `Wanted ${i}`);

/** Runs a plan and checks its result. */
export async function runCrashTest(plan: Plan): Promise<Report> {
  const dir = await Deno.makeTempDir({ prefix: "parley-crash-" });
  const run = new Run(plan, dir);
  const report = await run.run();
  if (report.violations.length === 0) await Deno.remove(dir, { recursive: true });
  return report;
}

class Run {
  readonly #plan: Plan;
  readonly #dir: string;
  readonly #random: SeededRandom;
  readonly #ledger: Ledger;
  readonly #target: CrashTarget;
  /** The clients that act at random. The moderator has one too. */
  #clients: readonly Client[] = [];
  #actors: readonly Client[] = [];
  #moderator: CrashModerator | undefined;
  #httpClients: HttpClient[] = [];
  /** Clients that are away, and the round in which they return. */
  readonly #away = new Map<Client, number>();
  #round = 0;
  #messageCount = 0;

  constructor(plan: Plan, dir: string) {
    this.#plan = plan;
    this.#dir = dir;
    const random = this.#random = new SeededRandom(plan.seed);
    // Several nodes run with a short grace.
    const ledger = this.#ledger = new Ledger(plan.nodes > 1 ? 1_000 : undefined);
    const options = {
      plan,
      dir,
      random,
      ledger,
      clients: () => this.#clients,
      waitUntil: (condition: () => boolean, failure: string) => this.#waitUntil(condition, failure),
    };
    this.#target = plan.nodes > 1 ? new RedisNodes(options) : new SingleNode(options);
  }

  async run(): Promise<Report> {
    const { rounds } = this.#plan;
    const ledger = this.#ledger;
    const target = this.#target;
    await target.start();
    this.#actors = this.#makeClients();
    const moderator = this.#moderator = this.#makeModerator();
    this.#clients = [...this.#actors, moderator.client];
    this.#httpClients = this.#makeHttpClients();
    for (const client of [...this.#clients, ...this.#httpClients]) client.start();
    let stored = 0;
    try {
      while (this.#round < rounds && ledger.violations.length === 0) {
        await this.#runRound();
        await target.fail();
        this.#round++;
        this.#bringBack();
      }
      await this.#settle();
      stored = await target.check();
    } catch (error) {
      ledger.addViolation(error instanceof Error ? error.message : String(error));
    } finally {
      await Promise.all([...this.#clients, ...this.#httpClients].map((client) => client.end()));
      await target.end();
    }
    for (const line of await target.unexpectedErrors()) {
      ledger.addViolation(`a server logged: ${line}`);
    }
    return {
      violations: ledger.violations,
      dir: this.#dir,
      stored,
      crashes: this.#round,
      startMs: target.startMs.toSorted((a, b) => a - b),
      faults: target.faults,
      ledger,
    };
  }

  #makeClients(): Client[] {
    const { urls } = this.#target;
    let person: Person | undefined;
    return Array.from({ length: this.#plan.clients }, (_, i) => {
      // Every fifth client is a second tab of the previous person.
      const tab = i % 5 === 4 && person !== undefined ? 1 : 0;
      if (tab === 0 || person === undefined) {
        person = new Person(this.#ledger, `person ${i}`, this.#random.token());
      }
      const username = `Client ${i - tab}`;
      const ledger = this.#ledger;
      const client = new Client({ urls, person, tab, username, ledger, random: this.#random });
      client.join("lobby");
      return client;
    });
  }

  #makeModerator(): CrashModerator {
    const { urls } = this.#target;
    const ledger = this.#ledger;
    const random = this.#random;
    const person = new Person(ledger, "moderator", this.#random.token());
    const targets = new Set(
      this.#actors.filter((_, i) => i % targetEvery === 3).map(({ person }) => person),
    );
    const moderator = new CrashModerator(
      { urls, person, tab: 0, username: "Moderator", ledger, random },
      () => [...targets].flatMap(({ member = [] }) => member),
    );
    for (const room of ["lobby", "room-0", "room-1"]) moderator.client.join(room);
    return moderator;
  }

  #makeHttpClients(): HttpClient[] {
    const { urls } = this.#target;
    const ledger = this.#ledger;
    return Array.from({ length: httpClients }, (_, i) => {
      const person = new Person(ledger, `program ${i}`, this.#random.token());
      return new HttpClient({ urls, person, username: `Program ${i}`, room: "lobby", ledger });
    });
  }

  /** Lets the clients act until the next fault is due. */
  async #runRound(): Promise<void> {
    // Squared, so that the next fault often finds clients still reconnecting.
    const { framesMax, clients } = this.#plan;
    const frames = this.#ledger.frameCount + this.#random.next() ** 2 * framesMax * clients;
    let due = 0;
    const actAtPace = () => {
      due += actionsPerSecond * paceMs / 1000;
      for (; due >= 1; due--) this.#act();
    };
    await this.#waitUntil(() => this.#ledger.frameCount >= frames, "nothing happens", actAtPace);
    // Often every client sends at once, so that the fault hits a large batch.
    if (this.#random.isTrue(0.6)) {
      for (const client of this.#clients) {
        if (client.isConnected) {
          client.send(this.#random.pick(client.rooms) ?? "lobby", this.#randomText());
        }
      }
    }
    await sleep(this.#random.next() * jitterMs);
  }

  #act(): void {
    const random = this.#random;
    const client = random.pick(this.#actors);
    if (client === undefined) return;
    const room = random.pick(client.rooms) ?? "lobby";
    const actions: readonly (readonly [number, () => void])[] = [
      [80, () => {
        if (!client.isStarted) return;
        for (let i = random.below(4); i >= 0; i--) client.send(room, this.#randomText());
      }],
      [10, () => client.isStarted && client.amend(room, "edit", this.#randomText())],
      [6, () => client.isStarted && client.amend(room, "delete")],
      [1, () => client.isStarted && client.title(room, this.#randomTitle())],
      [4, () => this.#moderate()],
      // More rooms over time, so that some are new when the server dies.
      [4, () => client.isStarted && client.rooms.length < 8 && client.join(this.#randomRoom())],
      [3, () => room !== "lobby" && client.leave(room)],
      [4, () => random.pick(this.#httpClients)?.send(this.#randomText())],
      [2, () => random.pick(this.#httpClients)?.amend(random, this.#randomText())],
      [4, () => client.scrollBack(room)],
      [3, () => client.rename(this.#randomName())],
      [2, () => client.abandon()],
      [2, () => client.drop()],
      [1, () => {
        if (this.#away.size > this.#actors.length / 3 || this.#away.has(client)) return;
        if (random.isTrue(0.5)) client.goodbye();
        else client.vanish();
        this.#away.set(client, this.#round + random.below(20));
      }],
    ];
    let at = random.below(actions.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, run] of actions) {
      at -= weight;
      if (at < 0) return run();
    }
  }

  #moderate(): void {
    const moderator = this.#moderator;
    const room = this.#random.pick(moderator?.client.rooms ?? []);
    if (room !== undefined) moderator?.act(room, this.#randomTitle());
  }

  #randomRoom(): string {
    return `room-${this.#random.below(3 + Math.floor(this.#round / 4))}`;
  }

  #randomName(): string {
    return this.#random.isTrue(0.7)
      ? this.#random.pick(contestedNames) ?? ""
      : `Name ${this.#random.below(1_000)}`;
  }

  /** Returns a text, mostly a short one. Long ones make missed messages need several pages. */
  #randomText(): string {
    const length = this.#random.isTrue(0.1) ? this.#random.below(3_500) : this.#random.below(60);
    const rest = "äöü 🙂 ".repeat(length / 6);
    return `said ${++this.#messageCount} ${this.#randomWord()} ${rest}`.trim();
  }

  /** Returns a word that `markedWord` finds. */
  #randomWord(): string {
    const letters = Array.from({ length: 12 }, () => this.#random.below(36).toString(36));
    return `${letters.join("")}zq`;
  }

  #randomTitle(): string {
    return `Title ${++this.#messageCount} ${this.#randomWord()}`;
  }

  /**
   * Lets clients return: those whose absence is over, and most of the disconnected ones at once.
   */
  #bringBack(): void {
    for (const [client, round] of this.#away) {
      if (round > this.#round) continue;
      this.#away.delete(client);
      client.start();
    }
    for (const client of this.#clients) {
      if (this.#random.isTrue(0.8)) client.reconnectNow();
    }
  }

  /** Stops sending and waits until every message has arrived everywhere. */
  async #settle(): Promise<void> {
    this.#away.clear();
    const moderator = this.#moderator;
    for (const client of this.#clients) {
      client.start();
      client.reconnectNow();
    }
    await this.#waitUntil(
      () => moderator === undefined || moderator.isAtRest,
      "the moderator cannot lift every sanction",
      () => moderator?.lift(),
    );
    const isSettled = () =>
      [...this.#clients, ...this.#httpClients].every((client) => client.isSettled);
    await this.#waitUntil(isSettled, "a message never arrived");
    await this.#waitUntil(() => this.#ledger.isSwept, "a message was never swept");
    await this.#waitUntil(isSettled, "a message never arrived");
    await this.#waitUntil(
      () => this.#membersAgree,
      "clients never agree on the members of a room",
    );
    for (const client of this.#clients) client.recordViews();
    for (const client of this.#httpClients) client.recordView();
  }

  /** Whether every client sees exactly the members that are in each room. */
  get #membersAgree(): boolean {
    const membersByRoom = new Map<string, Set<string>>();
    const views = this.#clients.flatMap((client) =>
      [...client.views.values()].filter(({ phase }) => phase === "live")
        .map((view) => ({ view, member: client.member }))
    );
    for (const { view, member } of views) {
      membersByRoom.set(view.name, (membersByRoom.get(view.name) ?? new Set()).add(member));
    }
    return views.every(({ view: { name, usernames } }) => {
      const members = membersByRoom.get(name);
      return usernames.size === members?.size &&
        [...usernames.keys()].every((one) => members.has(one));
    });
  }

  /**
   * Polls a condition and calls `act` meanwhile. Throws an error with the message `failure` on
   * timeout.
   */
  async #waitUntil(condition: () => boolean, failure: string, act = () => {}): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!condition() && this.#ledger.violations.length === 0) {
      if (performance.now() > deadline) throw new Error(failure);
      act();
      await sleep(paceMs);
    }
  }
}

/** Returns a summary of a run, with the command to repeat it after a violation. */
export function summary(plan: Plan, report: Report): string {
  const { ledger, stored, crashes, startMs, faults, violations, dir } = report;
  const { counts, closeCodes } = ledger;
  const closes = [...closeCodes].sort().map(([code, count]) => `${code} ${count} times`).join(", ");
  const median = startMs[startMs.length >> 1] ?? 0;
  const faultList = [...faults].map(([fault, count]) => `${fault} ${count}`).join(", ");
  const lines = [
    plan.nodes > 1
      ? `${crashes} rounds, ${plan.nodes} nodes, appendfsync ${plan.appendfsync}, ${plan.clients} clients`
      : `${crashes} rounds, signal ${plan.signal}, durability ${plan.durability}, ${plan.clients} clients`,
    ...(faultList === "" ? [] : [`faults: ${faultList}`]),
    `entries: ${counts.sent} sent, ${counts.acknowledged} acknowledged, ${counts.refused} refused, ` +
    `${stored} stored, ${counts.repeats} repeated, ${counts.received} received`,
    `connections: ${counts.connections}, closed by the server: ${closes || "none"}`,
    `joins: ${counts.recovered} recovered, ${counts.pages} further pages, ` +
    `${counts.notRecovered} not recovered with ${counts.missed} messages announced as missed`,
    `names: ${counts.renames} renames, ${counts.namesTaken} refused`,
    `moderation: ${counts.moderated} commands confirmed, ${counts.muted} commands of muted members ` +
    `refused, ${counts.banned} of banned ones; ${ledger.deletedWords.size} texts deleted`,
    `commands refused because storage was unavailable: ${counts.unavailable}`,
    `start: ${median.toFixed(0)} ms (median), ${(startMs.at(-1) ?? 0).toFixed(0)} ms (max)`,
  ];
  if (violations.length === 0) return [...lines, "no promise was broken"].join("\n");
  const repeat = `deno task crash-test --rounds ${plan.rounds} --seed ${plan.seed} ` +
    `--signal ${plan.signal} --durability ${plan.durability} --nodes ${plan.nodes} ` +
    `--appendfsync ${plan.appendfsync} --clients ${plan.clients} ` +
    `--frames ${plan.framesMax}`;
  return [...lines, "", ...violations, "", `The server's files are in ${dir}`, `Repeat: ${repeat}`]
    .join("\n");
}

function readPlan(): Plan {
  const { rounds, seed, nodes, clients, frames, ...flags } = readTaskFlags({
    rounds: 100,
    seed: Math.floor(Math.random() * 1e6),
    signal: "",
    durability: "",
    nodes: 1,
    appendfsync: "",
    clients: 50,
    frames: 250,
  });
  const choice = <T extends string>(
    name: "signal" | "durability" | "appendfsync",
    choices: readonly [T, ...T[]],
  ): T => {
    const given = flags[name] || choices[0];
    const found = choices.find((each) => each === given);
    if (found === undefined) {
      throw new Error(`Cannot use --${name} ${given}: the choices are ${choices.join(", ")}`);
    }
    return found;
  };
  return {
    rounds,
    seed,
    signal: choice("signal", ["KILL", "TERM", "mixed"]),
    durability: choice("durability", ["normal", "full"]),
    nodes,
    appendfsync: choice("appendfsync", ["always", "everysec"]),
    clients,
    framesMax: frames,
  };
}

if (import.meta.main) {
  const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const plan = readPlan();
  const startedAt = performance.now();
  const report = await runCrashTest(plan);
  print(summary(plan, report));
  print(`${((performance.now() - startedAt) / 1000).toFixed(0)} s, seed ${plan.seed}`);
  Deno.exit(report.violations.length === 0 ? 0 : 1);
}

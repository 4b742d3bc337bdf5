// Whole lives of a chat from seeds: real hub, real broker, real page on a simulated network, clock and disk, with every
// promise checked. `deno task simulate --seeds 2000`; a broken promise prints the command that shows it again.

import { memoryStorage } from "../../../static/client/state/storage.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import { usernameKey } from "../../../app/protocol/text.ts";
import { Books, Person } from "./simulated_client.ts";
import { Cluster } from "./simulated_cluster.ts";
import { Server } from "./simulated_server.ts";
import { Violation } from "./deployment.ts";
import type { Site } from "./deployment.ts";
import { Chance, Timeline } from "./world.ts";

const rooms = ["lobby", "design", "lunch"];
const names = ["Ada", "Ben", "Cy", "Dee", "Eve", "Fay"];

/** What happened in one world. */
export interface Outcome {
  readonly steps: number;
  readonly messages: number;
  readonly crashes: number;
}

/** A browser: what all its tabs share. */
interface Browser {
  readonly token: string;
  readonly shared: KeyValue;
  readonly username: string;
}

/**
 * Lets one world happen.
 *
 * @throws {Violation} If a promise is broken.
 */
export async function simulate(seed: number, dir: string): Promise<Outcome> {
  const world = new World(seed, dir);
  try {
    return await world.run();
  } finally {
    world.close();
  }
}

class World {
  readonly #chance: Chance;
  readonly #time = new Timeline();
  readonly #site: Site;
  /** How deep the promises go that a step may settle, one in the next. */
  readonly #depth: number;
  readonly #books = new Books();
  readonly #browsers: Browser[];
  #people: Person[] = [];
  readonly #own = new Map<Person, KeyValue>();
  readonly #browserOf = new Map<Person, Browser>();
  #tabs = 0;
  #said = 0;
  #crowds = 0;
  #steps = 0;

  constructor(seed: number, dir: string) {
    const chance = this.#chance = new Chance(seed);
    const isCluster = chance.isTrue(0.3);
    const isSlow = !isCluster && chance.isTrue(0.3);
    this.#depth = isCluster ? 40 : isSlow ? 4 : 0;
    const retentionMessages = chance.isTrue(0.3) ? 10 + chance.below(60) : 0;
    const hub = {
      rateBurst: 3 + chance.below(20),
      ratePerSecond: chance.isTrue(0.3) ? 0 : 2,
      graceMs: 10_000,
      outboxMaxBytes: chance.isTrue(0.3) ? 4_096 : 1024 * 1024,
      retentionDays: 0,
      retentionMessages: 0,
      logMessageText: false,
    };
    this.#site = isCluster
      ? new Cluster(this.#time, chance, { retentionMessages, hub })
      : new Server(this.#time, chance, {
        dir,
        retentionMessages,
        recentNonces: 1 + chance.below(100),
        isSlow,
        hub,
      });
    this.#browsers = names.slice(0, 2 + chance.below(4)).map((username) => ({
      token: username.padEnd(43, "-"),
      shared: memoryStorage(),
      username,
    }));
  }

  async run(): Promise<Outcome> {
    this.#site.start();
    for (const browser of this.#browsers) this.#openTab(browser, memoryStorage());
    const end = 60_000 + this.#chance.below(120_000);
    let nextAct = 0;
    while (this.#time.ms < end) {
      if (this.#time.ms >= nextAct) {
        this.#act();
        nextAct = this.#time.ms + this.#chance.delay(2_500);
      }
      await this.#step(Math.min(end, nextAct));
      this.#look();
    }
    await this.#settle();
    this.#judge();
    const logs = [...this.#site.log.values()];
    return {
      steps: this.#steps,
      messages: logs.reduce((sum, log) => sum + log.length, 0),
      crashes: this.#site.crashes,
    };
  }

  close(): void {
    this.#site.close();
  }

  /** Lets the next thing happen, and what promises make of it. */
  async #step(end: number): Promise<boolean> {
    const happened = this.#time.step(end);
    for (let i = 0; i < this.#depth; i++) await undefined;
    return happened;
  }

  // ---------------------------------------------------------------- what happens

  #act(): void {
    const chance = this.#chance;
    const person = chance.pick(this.#people);
    const browser = chance.pick(this.#browsers);
    if (person === undefined || browser === undefined) return;
    const room = chance.pick(rooms) ?? "lobby";
    const acts: readonly (readonly [number, () => void])[] = [
      [45, () => {
        for (let i = chance.below(4); i >= 0; i--) person.say(room, `said ${++this.#said}`);
      }],
      [3, () => {
        const [count, length] = chance.isTrue(0.1) ? [1_100, 10] : [chance.below(250), 10];
        this.#crowds++;
        this.#crowd(room, count, chance.isTrue(0.3) ? 3_500 : length);
      }],
      [3, () => person.chat.openRoom(room)],
      [2, () => person.chat.leaveRoom(room)],
      [3, () => person.chat.rename(`${chance.pick(names)}${chance.below(3)}`)],
      [3, () => person.chat.loadOlder(room)],
      [2, () => person.chat.sendTyping(room)],
      [3, () => person.chat.checkConnection()],
      [7, () => person.link?.cut(chance.isTrue(0.7), chance.isTrue(0.7))],
      [4, () => person.link?.stall(chance.delay(40_000))],
      [4, () => this.#reload(person)],
      [2, () => this.#closeTab(person)],
      [3, () => this.#openTab(browser, memoryStorage())],
      [1, () => this.#openTab(this.#browserOf.get(person) ?? browser, this.#own.get(person))],
      [2, () => person.answerQuestions()],
      [1, () => {
        person.chat.signOut();
        this.#time.later(chance.delay(20_000), () => person.isGone || this.#enter(person));
      }],
      [6, () => this.#site.crashSoon()],
      [2, () => this.#site.crash()],
      [2, () => this.#site.stop()],
      [10, () => this.#site.start()],
      [2, () => this.#site.takeBackup()],
      [1, () => this.#site.restoreBackup()],
      [3, () => {
        this.#site.refuse();
        this.#time.later(chance.delay(40_000), () => this.#site.repair());
      }],
      [3, () => this.#site.prune()],
      [2, () => this.#time.wallOffset += (chance.next() * 2 - 1) * 3_600_000],
    ];
    let at = chance.below(acts.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, run] of acts) {
      at -= weight;
      if (at < 0) return run();
    }
  }

  /** Somebody without a page comes in, says `count` things in one go, and goes: as far as the rates allow. */
  #crowd(room: string, count: number, length: number): void {
    const id = this.#chance.below(2 ** 31);
    const link = this.#site.acceptor?.open(
      { send: () => {}, close: () => {}, buffered: 0 },
      () => {},
    );
    const token = `crowd${id}`.padEnd(43, "-");
    link?.receive(
      JSON.stringify({ type: "hello", username: `Crowd ${id}`, token, rooms: [{ room }] }),
    );
    for (let i = 0; i < count; i++) {
      const text = `${i} `.padEnd(length, "x");
      link?.receive(JSON.stringify({ type: "message", room, text, nonce: `c${id}n${i}` }));
    }
    this.#time.later(3_000, () => link?.closed(1000));
  }

  #openTab(browser: Browser, own: KeyValue = memoryStorage()): void {
    if (this.#people.length >= 8) return;
    const person = new Person(this.#time, this.#chance, this.#site, this.#books, {
      id: `${browser.username}/${++this.#tabs}`,
      token: browser.token,
      shared: browser.shared,
      own,
    });
    this.#people.push(person);
    this.#own.set(person, own);
    this.#browserOf.set(person, browser);
    person.chat.openRoom("lobby");
    if (this.#chance.isTrue(0.5)) person.chat.openRoom("design");
    this.#enter(person);
  }

  #enter(person: Person): void {
    const browser = this.#browserOf.get(person);
    if (browser === undefined) return;
    person.chat.signIn({ username: browser.username, token: browser.token });
  }

  #reload(person: Person): void {
    const browser = this.#browserOf.get(person);
    const own = this.#own.get(person);
    if (browser === undefined) return;
    this.#remove(person, false);
    this.#openTab(browser, own);
  }

  #closeTab(person: Person): void {
    if (this.#people.length > 1) this.#remove(person, true);
  }

  #remove(person: Person, isClosed: boolean): void {
    person.vanish(isClosed);
    this.#people = this.#people.filter((other) => other !== person);
  }

  // ---------------------------------------------------------------- what is checked

  #look(): void {
    this.#steps++;
    if (this.#site.violation !== undefined) throw this.#site.violation;
    const person = this.#chance.pick(this.#people);
    person?.check(this.#chance.isTrue(0.1));
    const most = this.#browsers.length + this.#crowds;
    for (const size of this.#site.sizes) {
      if (size.members <= most && size.rooms <= rooms.length) continue;
      throw new Violation(`a hub holds ${JSON.stringify(size)}`);
    }
  }

  /** Everything works again, nobody writes any more; all that was written has to arrive. */
  async #settle(): Promise<void> {
    this.#site.repair();
    this.#site.start();
    for (const browser of this.#browsers) this.#openTab(browser);
    const end = this.#time.ms + 600_000;
    let restarts = 0;
    for (let round = 0; this.#time.ms < end; round++) {
      const until = this.#time.ms + 5_000;
      while (await this.#step(until)) this.#look();
      if (!this.#site.isUp && restarts++ < 20) this.#site.start();
      for (const person of this.#people) {
        person.store.heartbeat();
        person.answerQuestions();
        for (const room of person.chat.outbox.rooms) person.chat.openRoom(room);
        if (person.chat.status.kind === "ended") person.chat.takeOver();
        const { signInState } = person.chat;
        if (signInState.kind === "asking") {
          person.chat.signIn({ username: `Guest${this.#chance.below(1e6)}`, token: person.token });
        }
      }
      if (round > 3 && this.#isQuiet()) break;
    }
    const waiting = this.#people.find((person) => person.chat.outbox.rooms.size > 0);
    if (waiting !== undefined) throw new Violation(`${waiting.id} still has messages to send`);
    const lost = this.#people.find((person) => !person.chat.isReady);
    if (lost !== undefined) {
      throw new Violation(`${lost.id} did not come back: ${JSON.stringify(lost.chat.status)}`);
    }
    // So that who is gone has left.
    const after = this.#time.ms + 90_000;
    while (await this.#step(after)) this.#look();
  }

  #isQuiet(): boolean {
    return this.#people.every(({ chat }) =>
      chat.isReady && chat.outbox.rooms.size === 0 &&
      [...chat.rooms.values()].every(({ phase }) => phase === "live")
    );
  }

  #judge(): void {
    const { log, lost } = this.#site;
    const placeOf = new Map<string, number>();
    for (const [room, entries] of log) {
      for (const { offset, nonce } of entries) {
        if (placeOf.has(nonce)) throw new Violation(`${room}: ${nonce} is there twice`);
        placeOf.set(nonce, offset);
      }
    }
    for (const nonce of this.#books.told) {
      if (!placeOf.has(nonce) && !lost.has(nonce)) {
        throw new Violation(`a message was told to be sent and is not in the log: ${nonce}`);
      }
    }
    this.#judgeOrder(placeOf);
    for (const person of this.#people) {
      person.check(true);
      for (const room of person.chat.rooms.values()) {
        person.compare(room, log.get(room.name) ?? []);
      }
    }
    this.#judgePresence();
  }

  /** What one tab wrote into one room is there in the order in which it wrote it. */
  #judgeOrder(placeOf: ReadonlyMap<string, number>): void {
    for (const [tab, written] of this.#books.written) {
      const last = new Map<string, number>();
      for (const line of written) {
        const [room = "", nonce = ""] = line.split(" ");
        const place = placeOf.get(nonce);
        if (place === undefined || this.#books.adopted.has(nonce)) continue;
        if (this.#site.lost.size === 0 && place < (last.get(room) ?? 0)) {
          throw new Violation(`${tab} wrote in another order than the log of ${room} has`);
        }
        last.set(room, place);
      }
    }
  }

  #judgePresence(): void {
    const { sizes } = this.#site;
    const isEverybody = sum(sizes.map(({ sessions }) => sessions)) === this.#people.length;
    const members = new Set(this.#people.map(({ token }) => token)).size;
    // One that is on several nodes is counted on each.
    const held = sum(sizes.map(({ members }) => members));
    const isRight = sizes.length > 1 ? held >= members : held === members;
    if (!isEverybody || !isRight || sizes.some(({ graces }) => graces > 0)) {
      throw new Violation(`${members} are here, and the hubs hold ${JSON.stringify(sizes)}`);
    }
    for (const room of rooms) {
      const here = new Map<string, string>();
      for (const { chat } of this.#people) {
        if (chat.rooms.has(room)) here.set(chat.member, chat.username);
      }
      const keys = new Set([...here.values()].map(usernameKey));
      if (keys.size !== here.size) throw new Violation(`two members of ${room} have one name`);
      for (const person of this.#people) {
        const members = person.chat.rooms.get(room)?.members;
        if (members === undefined) continue;
        const seen = JSON.stringify([...members].sort());
        const real = JSON.stringify([...here].sort());
        if (seen !== real) {
          throw new Violation(`${person.id} sees ${seen} in ${room}, there are ${real}`);
        }
      }
    }
  }
}

/** Runs worlds with rising seeds; answers what they were in all. */
export async function simulateMany(first: number, count: number): Promise<Outcome> {
  const root = Deno.makeTempDirSync({ dir: fastestFolder() });
  let [steps, messages, crashes] = [0, 0, 0];
  try {
    for (let seed = first; seed < first + count; seed++) {
      const dir = `${root}/${seed}`;
      Deno.mkdirSync(dir);
      try {
        const outcome = await simulate(seed, dir);
        steps += outcome.steps;
        messages += outcome.messages;
        crashes += outcome.crashes;
      } catch (error) {
        if (error instanceof Error) {
          error.message += `\nShow it again: deno task simulate --first ${seed} --seeds 1`;
        }
        throw error;
      } finally {
        Deno.removeSync(dir, { recursive: true });
      }
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
  return { steps, messages, crashes };
}

/** Worlds write a lot that nobody needs tomorrow: into memory, where there is such a folder. */
function fastestFolder(): string {
  try {
    if (Deno.statSync("/dev/shm").isDirectory) return "/dev/shm";
  } catch {
    // Not every system has one.
  }
  return Deno.env.get("TMPDIR") ?? "/tmp";
}

/** Runs the seeds in two workers, each one half. */
async function simulateInWorkers(first: number, seeds: number): Promise<Outcome> {
  const half = first + Math.ceil(seeds / 2);
  const halves = [[first, half], [half, first + seeds]] as const;
  const outcomes = await Promise.all(halves.map(([from, to]) => {
    const worker = new Worker(import.meta.url, { type: "module" });
    return new Promise<Outcome>((resolve, reject) => {
      worker.addEventListener("message", ({ data }) => {
        if ("failure" in data) reject(new Error(data.failure));
        else resolve(data);
      });
      worker.postMessage({ first: from, seeds: to - from });
    }).finally(() => worker.terminate());
  }));
  return {
    steps: sum(outcomes.map(({ steps }) => steps)),
    messages: sum(outcomes.map(({ messages }) => messages)),
    crashes: sum(outcomes.map(({ crashes }) => crashes)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Inside a worker: does what it is told, and tells what became of it. */
function obey(): void {
  addEventListener("message", async (event) => {
    const { data } = event as MessageEvent;
    const answer = await simulateMany(data.first, data.seeds).catch((error) => ({
      failure: `${error.stack}`,
    }));
    // Deno's types of a module do not say that it may run as a worker.
    (self as unknown as { postMessage(message: unknown): void }).postMessage(answer);
  });
}

async function main(): Promise<void> {
  const flag = (name: string, fallback: number) => {
    const at = Deno.args.indexOf(`--${name}`);
    return at < 0 ? fallback : Number(Deno.args[at + 1]);
  };
  const [first, seeds] = [flag("first", 1), flag("seeds", 2_000)];
  const startedAt = performance.now();
  const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  try {
    const { steps, messages, crashes } = await simulateInWorkers(first, seeds);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    say(
      `${seeds} worlds, ${steps} steps, ${messages} messages, ${crashes} crashes: ok in ${seconds} s`,
    );
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}

if ("WorkerGlobalScope" in globalThis) obey();
else if (import.meta.main) await main();

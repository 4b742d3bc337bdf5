// One simulated world: a chat and its faults, all decided by a seed.

import { keysWithPrefix, memoryStorage } from "../../../static/client/state/storage.ts";
import type { KeyValue } from "../../../static/client/state/storage.ts";
import { SeededRandom } from "../../support/seeded_random.ts";
import { BareClient } from "./bare_client.ts";
import { ClientLedger } from "./client_ledger.ts";
import type { Deployment } from "./deployment.ts";
import { checkFinalState } from "./final_checks.ts";
import { ModeratorClient } from "./moderator_client.ts";
import { RedisDeployment } from "./redis_deployment.ts";
import { SanctionLedger } from "./sanction_ledger.ts";
import { SimulatedClient } from "./simulated_client.ts";
import { SqliteDeployment } from "./sqlite_deployment.ts";
import { Timeline } from "./timeline.ts";
import { Violation } from "./violation.ts";

const rooms = ["lobby", "design", "lunch"];
const usernames = ["Ada", "Ben", "Cy", "Dee", "Eve", "Fay"];
/** The room in which clients without a page edit and delete. */
const bareRoom = "notes";
const bareClients = [
  { id: "b1", member: "m1", acceptsPages: true, network: "192.0.2.2" },
  { id: "b2", member: "m1", acceptsPages: false, network: "192.0.2.2" },
  { id: "b3", member: "m2", acceptsPages: false, network: "192.0.2.3" },
  { id: "b4", member: "m3", acceptsPages: true, network: "192.0.2.3" },
];
/** The network that is banned at the end. */
const bannedNetwork = "192.0.2.3";
/** A ban takes effect on all nodes within this time, given the simulated delays. */
const banMs = 5_000;
const maxClients = 8;
/** Max restarts of servers that die again while the world settles. */
const maxFinalRestarts = 20;

/** The result of one world. */
export interface WorldSummary {
  readonly steps: number;
  readonly messages: number;
  /** Edits, deletions and titles. */
  readonly amendments: number;
  readonly crashes: number;
}

/** A browser and its user; its tabs share a storage. */
interface Browser {
  readonly username: string;
  readonly token: string;
  readonly browserStorage: KeyValue;
}

export class World {
  readonly #random: SeededRandom;
  readonly #time = new Timeline();
  readonly #deployment: Deployment;
  /** Max turns of the microtask queue per step, since promises await promises. */
  readonly #turnsPerStep: number;
  readonly #ledger = new ClientLedger();
  readonly #browsers: readonly Browser[];
  #clients: SimulatedClient[] = [];
  #bareClients: readonly BareClient[] = [];
  readonly #sanctions: SanctionLedger;
  #moderator: ModeratorClient | undefined;
  #tabsOpened = 0;
  #messagesSent = 0;
  #floods = 0;
  #violation: Violation | undefined;
  #steps = 0;

  /** `dir` is an empty folder. */
  constructor(seed: number, dir: string) {
    const random = this.#random = new SeededRandom(seed);
    const hasRedis = random.isTrue(0.3);
    const isSlow = !hasRedis && random.isTrue(0.3);
    this.#turnsPerStep = hasRedis ? 40 : isSlow ? 4 : 0;
    const retentionMessages = random.isTrue(0.3) ? 10 + random.below(60) : 0;
    const hub = {
      rateBurst: 3 + random.below(20),
      ratePerSecond: random.isTrue(0.3) ? 0 : 2,
      maxRooms: 10_000,
      graceMs: 10_000,
      nameHoldMs: 86_400_000,
      outboxMaxBytes: random.isTrue(0.3) ? 4_096 : 1024 * 1024,
      retentionDays: 0,
      retentionMessages: 0,
      joinLines: true,
      typing: true,
      sessionPrefix: "",
      logMessageText: false,
    };
    this.#deployment = hasRedis
      ? new RedisDeployment(this.#time, random, { retentionMessages, hub })
      : new SqliteDeployment(this.#time, random, {
        dir,
        retentionMessages,
        // Few, so that some worlds have several generations of nonces.
        recentNonces: 1 + random.below(random.isTrue(0.5) ? 3 : 100),
        isSlow,
        isIndexed: random.isTrue(0.5),
        hub,
      });
    const log = this.#deployment.log;
    this.#sanctions = log.watch = new SanctionLedger(this.#time, log);
    this.#browsers = usernames.slice(0, 2 + random.below(4)).map((username) => ({
      username,
      token: username.padEnd(43, "-"),
      browserStorage: memoryStorage(),
    }));
  }

  /**
   * Runs the world to its end.
   *
   * @throws {Violation} If a promise is broken.
   */
  async run(): Promise<WorldSummary> {
    this.#deployment.start();
    for (const browser of this.#browsers) this.#openTab(browser, memoryStorage());
    this.#openBareClients();
    const moderator = this.#moderator = this.#openModerator();
    const end = 60_000 + this.#random.below(120_000);
    let nextActionAt = 0;
    while (this.#time.ms < end) {
      if (this.#time.ms >= nextActionAt) {
        this.#act();
        nextActionAt = this.#time.ms + this.#random.delay(2_500);
      }
      await this.#step(Math.min(end, nextActionAt));
      this.#check();
    }
    await this.#settle();
    await this.#imposeFinalBan(moderator);
    moderator.stop();
    // Long enough for the servers to notice that the moderator is gone, and for every grace to end.
    await this.#runFor(90_000);
    checkFinalState({
      deployment: this.#deployment,
      ledger: this.#ledger,
      clients: this.#clients,
      bareClients: this.#bareClients,
      rooms,
    });
    const entries = [...this.#deployment.log.rooms.values()].flat();
    const messages = entries.filter(({ type }) => type === "message").length;
    const amendments = entries.length - messages;
    return { steps: this.#steps, messages, amendments, crashes: this.#deployment.crashes };
  }

  close(): void {
    this.#deployment.close();
  }

  /** Runs the next task, and the promises that it settles. Returns false if there is none. */
  async #step(end: number): Promise<boolean> {
    const hasRun = this.#time.step(end);
    for (let i = 0; i < this.#turnsPerStep; i++) await undefined;
    return hasRun;
  }

  /** Performs one random action. */
  #act(): void {
    const random = this.#random;
    const deployment = this.#deployment;
    const client = random.pick(this.#clients);
    const browser = random.pick(this.#browsers);
    if (client === undefined || browser === undefined) return;
    const room = random.pick(rooms) ?? "lobby";
    const { chat, connection } = client;
    const weightedActions: readonly (readonly [number, () => void])[] = [
      [45, () => {
        for (let i = random.below(4); i >= 0; i--) {
          client.send(room, `message ${++this.#messagesSent}`);
        }
      }],
      [45, () => {
        for (let i = random.below(5); i >= 0; i--) random.pick(this.#bareClients)?.act();
      }],
      [15, () => {
        const before = random.pick(this.#bareClients)?.scrollBack() ?? 1;
        for (const client of this.#bareClients) client.amendBefore(before);
      }],
      [20, () => {
        this.#moderator?.act();
        if (random.isTrue(0.3)) deployment.crashSoon();
      }],
      [3, () => this.#flood(room)],
      [3, () => chat.openRoom(room)],
      [2, () => chat.leaveRoom(room)],
      [3, () => chat.rename(`${random.pick(usernames)}${random.below(3)}`)],
      [3, () => chat.loadOlder(room)],
      [2, () => chat.sendTyping(room)],
      [3, () => chat.connection.check()],
      [7, () => connection?.cut(random.isTrue(0.7), random.isTrue(0.7))],
      [4, () => connection?.stall(random.delay(40_000))],
      [4, () => this.#reload(client)],
      [2, () => this.#pollTabs(client)],
      [2, () => this.#closeTab(client)],
      [3, () => this.#openTab(browser, memoryStorage())],
      [1, () => this.#duplicateTab(client)],
      [2, () => client.answerPrompts()],
      [1, () => {
        chat.signOut();
        this.#time.later(random.delay(20_000), () => client.isClosed || client.signIn());
      }],
      [6, () => deployment.crashSoon()],
      [2, () => deployment.crash()],
      [2, () => deployment.stop()],
      [10, () => deployment.start()],
      [2, () => deployment.takeBackup()],
      [1, () => deployment.restoreBackup()],
      [3, () => {
        deployment.failStorage();
        this.#time.later(random.delay(40_000), () => deployment.repairStorage());
      }],
      [3, () => deployment.prune()],
      [2, () => this.#time.wallOffset += (random.next() * 2 - 1) * 3_600_000],
    ];
    let remaining = random.below(weightedActions.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, run] of weightedActions) {
      remaining -= weight;
      if (remaining < 0) return run();
    }
  }

  #openBareClients(): void {
    this.#bareClients = bareClients.map((client) =>
      new BareClient({
        ...client,
        time: this.#time,
        random: this.#random,
        deployment: this.#deployment,
        room: bareRoom,
      })
    );
  }

  #openModerator(): ModeratorClient {
    return new ModeratorClient({
      time: this.#time,
      random: this.#random,
      deployment: this.#deployment,
      ledger: this.#sanctions,
      room: bareRoom,
      targets: bareClients.map(({ member }) => `id-${member}`),
    });
  }

  /** Sends as many messages at once as the rate limit allows, from a client without a page. */
  #flood(room: string): void {
    const random = this.#random;
    const count = random.isTrue(0.1) ? 1_100 : random.below(250);
    this.#floods++;
    const length = random.isTrue(0.3) ? 3_500 : 10;
    const id = random.below(2 ** 31);
    const server = this.#deployment.acceptor?.open(
      { send: () => {}, close: () => {}, buffered: 0 },
      () => {},
    );
    const hello = {
      type: "hello",
      username: `Flood ${id}`,
      token: `flood${id}`.padEnd(43, "-"),
      rooms: [{ room }],
    };
    server?.receive(JSON.stringify(hello));
    for (let i = 0; i < count; i++) {
      const text = `${i} `.padEnd(length, "x");
      server?.receive(JSON.stringify({ type: "message", room, text, nonce: `f${id}n${i}` }));
    }
    this.#time.later(3_000, () => server?.closed(1000));
  }

  #openTab({ username, token, browserStorage }: Browser, tabStorage: KeyValue): void {
    if (this.#clients.length >= maxClients) return;
    const client = new SimulatedClient({
      time: this.#time,
      random: this.#random,
      deployment: this.#deployment,
      ledger: this.#ledger,
      id: `${username}/${++this.#tabsOpened}`,
      username,
      token,
      browserStorage,
      tabStorage,
    });
    this.#clients.push(client);
    client.chat.openRoom("lobby");
    if (this.#random.isTrue(0.5)) client.chat.openRoom("design");
    client.signIn();
  }

  /** Duplicates a tab, whose storage the browser copies. */
  #duplicateTab({ options }: SimulatedClient): void {
    const copy = memoryStorage();
    for (const key of keysWithPrefix(options.tabStorage, "")) {
      copy.setItem(key, options.tabStorage.getItem(key) ?? "");
    }
    this.#openTab(options, copy);
  }

  /** Lets the open tabs of a browser take over the messages of closed and crashed ones. */
  #pollTabs({ chat, outboxStore, options }: SimulatedClient): void {
    const polledAt = outboxStore.pollTabs();
    if (polledAt === undefined) return;
    for (const other of this.#clients) {
      if (other.options.browserStorage === options.browserStorage) other.outboxStore.heartbeat();
    }
    chat.adopt(polledAt);
  }

  #reload(client: SimulatedClient): void {
    client.close(this.#random.isTrue(0.2));
    this.#remove(client);
    this.#openTab(client.options, client.options.tabStorage);
  }

  #closeTab(client: SimulatedClient): void {
    if (this.#clients.length <= 1) return;
    client.close(this.#random.isTrue(0.2));
    this.#remove(client);
  }

  #remove(client: SimulatedClient): void {
    this.#clients = this.#clients.filter((other) => other !== client);
  }

  /** Checks the promises that hold after every step. */
  #check(): void {
    this.#steps++;
    const violation = this.#deployment.violation ?? this.#violation;
    if (violation !== undefined) throw violation;
    this.#sanctions.expire();
    const client = this.#random.pick(this.#clients);
    client?.check(this.#random.isTrue(0.1));
    const maxMembers = this.#browsers.length + this.#floods + this.#bareClients.length + 2;
    for (const size of this.#deployment.hubSizes) {
      if (size.members <= maxMembers && size.rooms <= rooms.length + 1) continue;
      throw new Violation(`a hub holds ${JSON.stringify(size)}`);
    }
  }

  /** Repairs everything, and waits until all messages have arrived and the world is idle. */
  async #settle(): Promise<void> {
    this.#deployment.repairStorage();
    this.#deployment.start();
    for (const browser of this.#browsers) this.#openTab(browser, memoryStorage());
    const end = this.#time.ms + 600_000;
    let restarts = 0;
    for (let round = 0; this.#time.ms < end; round++) {
      await this.#runFor(5_000);
      if (!this.#deployment.isUp && restarts++ < maxFinalRestarts) this.#deployment.start();
      for (const client of this.#clients) this.#helpToFinish(client);
      if (this.#moderator?.isAtRest === false) this.#moderator.lift();
      if (round > 3 && this.#isAtRest()) break;
    }
    for (const { chat, options } of this.#clients) {
      if (chat.outbox.rooms.size > 0) throw new Violation(`${options.id} has unsent messages`);
      const [left] = keysWithPrefix(options.browserStorage, "parley.message.");
      if (left !== undefined) throw new Violation(`no tab of ${options.id} adopted ${left}`);
      if (!chat.session.isReady) {
        throw new Violation(`${options.id} did not reconnect: ${JSON.stringify(chat.status)}`);
      }
    }
    // Long enough for every grace to end, and for bare clients to notice dead connections.
    await this.#runFor(90_000);
  }

  /** Bans a member and its network once the world is idle, then lifts the ban. */
  async #imposeFinalBan(moderator: ModeratorClient): Promise<void> {
    const room = bareRoom;
    const trolls = this.#bareClients.filter(({ options }) => options.network === bannedNetwork);
    const [target] = trolls;
    const command = {
      type: "ban",
      member: `id-${target?.options.member}`,
      seconds: 86_400,
      deleteMessages: true,
      network: true,
    } as const;
    for (let i = 0; moderator.isAtRest || !moderator.isIdle; i++) {
      if (!this.#deployment.isUp) this.#deployment.start();
      moderator.send(command);
      await this.#runFor(2_000);
      if (i === 100) throw new Violation("the moderator cannot ban");
    }
    await this.#runFor(banMs);
    const present = this.#deployment.namesIn(room);
    for (const { options: { id, member }, isLive } of trolls) {
      if (isLive) throw new Violation(`${id} is in ${room}, but is banned`);
      if (present.includes(`Bare ${member}`)) throw new Violation(`${member} is listed in ${room}`);
    }
    this.#checkNewcomer();
    await this.#runFor(banMs);
    await this.#waitForRest();
    // Banned clients don't know which entries retention has removed.
    const newest = Math.max(...this.#bareClients.map(({ first }) => first));
    this.#sanctions.checkSwept((offset) => offset < newest);
    const nonces = this.#bareClients.map((client) => client.write());
    await this.#waitForRest();
    const stored = new Set(this.#deployment.log.rooms.get(room)?.map(({ nonce }) => nonce));
    const refused = nonces.find((nonce) => !stored.has(nonce));
    if (refused !== undefined) throw new Violation(`${refused} was refused after its ban`);
  }

  /** Checks that a newcomer from the banned network is refused. */
  #checkNewcomer(): void {
    const frames: string[] = [];
    const server = this.#deployment.acceptor?.open(
      { send: (frame) => frames.push(frame), close: () => {}, buffered: 0 },
      () => {},
      bannedNetwork,
    );
    const token = "newcomer".padEnd(43, "-");
    server?.receive(JSON.stringify({ type: "hello", username: "Newcomer", token, rooms: [] }));
    this.#time.later(banMs - 1_000, () => {
      server?.closed(1000);
      if (frames.join().includes('"welcome"')) this.#violation = new Violation("a newcomer got in");
    });
  }

  /** Waits until everything is idle, and lifts all sanctions. */
  async #waitForRest(): Promise<void> {
    for (let i = 0; !this.#isAtRest(); i++) {
      if (i === 100) throw new Violation("the world does not come to rest");
      if (!this.#deployment.isUp) this.#deployment.start();
      if (this.#moderator?.isAtRest === false) this.#moderator.lift();
      await this.#runFor(2_000);
    }
  }

  async #runFor(ms: number): Promise<void> {
    const end = this.#time.ms + ms;
    while (await this.#step(end)) this.#check();
  }

  /** Answers the prompts that hold back a user's unsent messages. */
  #helpToFinish(client: SimulatedClient): void {
    const { chat, outboxStore, options } = client;
    outboxStore.heartbeat();
    this.#pollTabs(client);
    client.answerPrompts();
    for (const room of chat.outbox.rooms) chat.openRoom(room);
    if (chat.status.kind === "ended") chat.connection.connect();
    if (chat.session.state.kind === "required") {
      chat.signIn({ username: `Guest${this.#random.below(1e6)}`, token: options.token });
    }
  }

  #isAtRest(): boolean {
    return this.#moderator?.isAtRest !== false &&
      this.#bareClients.every(({ isAtRest }) => isAtRest) &&
      this.#clients.every(({ chat }) =>
        chat.session.isReady && chat.outbox.rooms.size === 0 &&
        [...chat.rooms.values()].every(({ phase }) => phase === "live")
      );
  }
}

// A server process in a folder of its own, people who talk to it by SPEC.md, and ways to take its disk away: for the tests of
// what people see, the logs say and the disk has when something below the server fails. README.md says the same in a table
// ("When something below fails"). A clock is set back in tests/broker/sqlite_broker_test.ts and tests/core/logging_test.ts.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import type {
  ErrorPush,
  MessagePush,
  Position,
  Push,
  RoomPush,
} from "../../../app/protocol/wire.ts";
import { ServerProcess } from "../../support/server_process.ts";

/** What a test of one fault has to work with. */
export interface Bench {
  /** Has `data` and `logs` in it. */
  readonly dir: string;
  readonly database: string;
  /** Starts a server that ends with the test. */
  start(options?: Parameters<typeof ServerProcess.start>[1]): Promise<ServerProcess>;
  /** Somebody who joins a room, the lobby if none is named, and goes with the test. */
  join(server: ServerProcess, username: string, who?: Who): Promise<Talker>;
  /** The text of a log; nothing when there is none. */
  log(name: string): string;
}

export async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const servers: ServerProcess[] = [];
  const talkers: Talker[] = [];
  try {
    await use({
      dir,
      database: join(dir, "data", "parley.db"),
      async start({ env = {}, ...options } = {}) {
        const all = { RATE_PER_SECOND: "0", GRACE_SECONDS: "0", ...env };
        const server = await ServerProcess.start(dir, { ...options, env: all });
        servers.push(server);
        return server;
      },
      async join(server, username, who) {
        const talker = new Talker(server.url, username, who);
        talkers.push(talker);
        await talker.joined();
        return talker;
      },
      log(name) {
        try {
          return Deno.readTextFileSync(join(dir, "logs", name));
        } catch {
          return "";
        }
      },
    });
  } finally {
    await Promise.all(talkers.map((talker) => talker.close()));
    for (const server of servers) {
      try {
        server.process.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await server.ended();
    }
    await Deno.remove(dir, { recursive: true });
  }
}

/** A test that runs where `why` is undefined; elsewhere that is why it does not. */
export function test(
  name: string,
  why: string | undefined,
  use: (bench: Bench) => Promise<void>,
): void {
  const shown = why === undefined ? name : `${name} (${why})`;
  Deno.test({ name: `Faults: ${shown}`, ignore: why !== undefined, fn: () => withBench(use) });
}

/** A start that fails: what it says on the console, and the status. */
export async function refusal(start: Promise<ServerProcess>): Promise<string> {
  try {
    await start;
  } catch (error) {
    return String(error);
  }
  throw new Error("The server started");
}

/** Who somebody is, and where they go. */
export interface Who {
  readonly token?: string;
  readonly room?: string;
  readonly tab?: string;
  /** Where they stopped before. */
  readonly position?: Position;
}

/** One person's connection: says something, and remembers all that it is told. */
export class Talker {
  readonly heard: Push[] = [];
  readonly token: string;
  readonly room: string;
  readonly #socket: WebSocket;
  readonly #closed = Promise.withResolvers<number>();
  readonly #waiting = new Set<() => void>();
  #nonces = 0;

  constructor(
    url: string,
    username: string,
    { token = newToken(), room = "lobby", tab, position }: Who = {},
  ) {
    this.token = token;
    this.room = room;
    this.#socket = new WebSocket(new URL("ws", url.replace("http", "ws")));
    this.#socket.onopen = () =>
      this.send({ type: "hello", username, token, tab, rooms: [{ room, ...position }] });
    this.#socket.onmessage = ({ data }) => {
      this.heard.push(...JSON.parse(data) as Push[]);
      for (const look of this.#waiting) look();
    };
    this.#socket.onclose = ({ code }) => this.#closed.resolve(code);
  }

  /** Sends a command as SPEC.md has it. */
  send(command: Readonly<Record<string, unknown>>): void {
    this.#socket.send(JSON.stringify(command));
  }

  /** The first push from `since` on that fits. */
  hears(fits: (push: Push) => boolean, since = 0): Promise<Push> {
    const { promise, resolve, reject } = Promise.withResolvers<Push>();
    const look = () => {
      const push = this.heard.slice(since).find(fits);
      if (push !== undefined) resolve(push);
    };
    this.#waiting.add(look);
    look();
    void this.#closed.promise.then((code) => reject(new Error(`closed with ${code}`)));
    return promise.finally(() => this.#waiting.delete(look));
  }

  /** Waits for the room to be entered; throws when that is refused. */
  async joined(): Promise<RoomPush> {
    const push = await this.hears(({ type }) => type === "room" || type === "error");
    if (push.type !== "room") throw new Error(JSON.stringify(push));
    return push;
  }

  /** Sends a message and waits for its answer; `nonce` repeats one. */
  async says(text: string, nonce = `n${++this.#nonces}`): Promise<Answer> {
    const since = this.heard.length;
    this.send({ type: "message", room: this.room, text, nonce });
    const push = await this.hears((push) => "nonce" in push && push.nonce === nonce, since);
    if (push.type === "error") return { nonce, error: push };
    if (push.type !== "message" && push.type !== "ack") throw new Error(push.type);
    return { nonce, offset: push.offset };
  }

  /** Sends messages of about 4 KB, `count` at the most, until some are refused. Answers what became of them. */
  async floods(count: number): Promise<readonly Answer[]> {
    const text = "x".repeat(3_900);
    const answers: Answer[] = [];
    while (answers.length < count && !answers.some(({ error }) => error !== undefined)) {
      const some = Array.from({ length: 10 }, (_, i) => this.says(`${answers.length + i} ${text}`));
      answers.push(...await Promise.all(some));
    }
    return answers;
  }

  /** The messages that it was told of, in order. */
  get messages(): readonly MessagePush[] {
    return this.heard.flatMap((push) =>
      push.type === "message" ? [push] : push.type === "room" ? push.messages : []
    );
  }

  get texts(): readonly string[] {
    return this.messages.map(({ text }) => text);
  }

  /** The code with which the connection was closed. */
  get closed(): Promise<number> {
    return this.#closed.promise;
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

/** What became of a message. */
export interface Answer {
  readonly nonce: string;
  readonly offset?: number;
  readonly error?: ErrorPush;
}

function newToken(): string {
  return crypto.getRandomValues(new Uint8Array(32)).toBase64({
    alphabet: "base64url",
    omitPadding: true,
  });
}

// ---------------------------------------------------------------- what there is afterwards

/** The status of `/readyz`. */
export async function readiness(server: ServerProcess): Promise<number> {
  const response = await fetch(`${server.url}readyz`);
  await response.body?.cancel();
  return response.status;
}

/** What somebody new is told of the lobby by a server that is started on what there is. */
export async function textsAfterwards({ start, join }: Bench): Promise<readonly string[]> {
  const server = await start();
  const { texts } = await join(server, "Zoe");
  await server.end();
  return texts;
}

/** The nonces of all messages of the lobby in a database that nobody uses; their offsets rise by one from 1. */
export function noncesIn(database: string): readonly string[] {
  const file = new DatabaseSync(database);
  try {
    const rows = file.prepare("SELECT offset, nonce FROM messages ORDER BY offset").all();
    assertEquals(rows.map(({ offset }) => offset), rows.map((_, i) => i + 1));
    return rows.map(({ nonce }) => String(nonce));
  } finally {
    file.close();
  }
}

/** What is in a folder. */
export function namesIn(dir: string): readonly string[] {
  return [...Deno.readDirSync(dir)].map(({ name }) => name).sort();
}

// ---------------------------------------------------------------- surroundings

/** Runs a server for which no file can grow over some KiB, until `limitFiles`: a disk that is full, wherever it runs. */
export function underLimit(kib: number): readonly string[] {
  return ["bash", "-c", `trap '' XFSZ; ulimit -S -f ${kib}; exec "$0" "$@"`];
}

/** Sets the size that a file of the server can have, in bytes; none is no limit. */
export async function limitFiles(server: ServerProcess, bytes?: number): Promise<void> {
  const { success } = await new Deno.Command("prlimit", {
    args: ["--pid", String(server.process.pid), `--fsize=${bytes ?? "unlimited"}:unlimited`],
  }).output();
  if (!success) throw new Error("Cannot set the limit: prlimit failed");
}

const isRoot = Deno.uid() === 0;

/** Runs a server that must not write what the mode of a file forbids, which root otherwise may. */
export const underModes: readonly string[] = isRoot
  ? ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
  : [];

/** Why `underModes` does not work here, if it does not. */
export const noModes = underModes.length > 0 && !works([...underModes, "true"])
  ? "needs setpriv where root runs it"
  : undefined;

/** Why no small disk can be mounted here, if none can. */
export const noMount = mountsNothing();

function mountsNothing(): string | undefined {
  if (!isRoot) return "needs root";
  const dir = Deno.makeTempDirSync();
  const isMounted = works(["mount", "-t", "tmpfs", "none", dir]);
  if (isMounted) works(["umount", dir]);
  Deno.removeSync(dir);
  return isMounted ? undefined : "needs the right to mount";
}

/** Runs `use` while `dir` is a disk of some KiB of its own. */
export async function withDisk(dir: string, kib: number, use: () => Promise<void>): Promise<void> {
  Deno.mkdirSync(dir);
  works(["mount", "-t", "tmpfs", "-o", `size=${kib}k`, "none", dir]);
  try {
    await use();
  } finally {
    works(["umount", "--lazy", dir]);
  }
}

function works([command = "", ...args]: readonly string[]): boolean {
  try {
    return new Deno.Command(command, { args }).outputSync().success;
  } catch {
    return false;
  }
}

/** A moment between two looks at what no event tells of. */
export async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 20));
}

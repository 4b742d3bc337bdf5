// The type of an attack, and the functions that attacks share. The attacks are in the files
// `*_attacks.ts`.

import { connect } from "node:net";
import type { Push } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { frame, handshake, opcode, RawSocket } from "../../support/raw_socket.ts";
import type { Ending } from "../../support/raw_socket.ts";
import { until } from "../../support/waiting.ts";

/** The server under attack. */
export interface Target {
  readonly port: number;
  /** Names of honest members in the lobby. */
  readonly honestNames: readonly string[];
  readonly random: SeededRandom;
  /** Returns the number of file descriptors that the server has open. */
  countDescriptors(): number;
  /** Whether attacks may take minutes, for example to reach a timeout. */
  readonly isPatient: boolean;
  /**
   * Waits until the honest clients have received everything, since on a busy machine they can be
   * slow too.
   */
  waitForHonest(): Promise<void>;
}

/** The moderator code of the servers under attack. */
export const moderatorCode = "keep-the-peace";

const resetsAtOnce = 20;
/** Max time for the server to close the descriptors of reset connections. */
const returnMaxMs = 15_000;
/** Max descriptors that the server opens for other reasons in the meantime. */
export const otherDescriptors = 8;

/** One way to harm a server. */
export interface Attack {
  readonly name: string;
  /** Min repetitions in the short test. */
  readonly short: number;
  /** Min repetitions in the torture test. */
  readonly long: number;
  /**
   * Max p99 delay of honest messages, in ms. Set for attacks that a server on Deno cannot prevent.
   */
  readonly maxP99Ms?: number;
  /**
   * Attacks at most `max` times, and returns the number of times.
   *
   * @throws {Error} If the server reacts wrongly.
   */
  run(target: Target, max: number): Promise<number>;
}

/** Returns an attack that repeats `run`, `concurrency` times at once. `index` counts the runs. */
export function repeated(
  name: string,
  { concurrency = 20, ...size }: Pick<Attack, "short" | "long" | "maxP99Ms"> & {
    readonly concurrency?: number;
  },
  run: (target: Target, index: number) => Promise<void>,
): Attack {
  let index = 0;
  return {
    name,
    ...size,
    async run(target, max) {
      const count = Math.min(concurrency, max);
      await Promise.all(Array.from({ length: count }, () => run(target, index++)));
      return count;
    },
  };
}

/**
 * Returns an attack that sends handshakes with these `headers` and resets their connections at
 * once. It may cost the server at most `maxLost` descriptors.
 */
export function resetHandshakes(
  size: Pick<Attack, "short" | "long">,
  maxLost: number,
  headers: Readonly<Record<string, string>> = {},
): Attack {
  let before: number | undefined;
  return {
    name: "handshakes that are reset",
    ...size,
    async run(target, max) {
      before ??= target.countDescriptors();
      const maxOpen = before + maxLost + otherDescriptors;
      const count = Math.min(resetsAtOnce, max);
      await Promise.all(
        Array.from({ length: count }, () => resetHandshake(target.port, headers)),
      );
      await descriptorsReturn(target, maxOpen);
      return count;
    },
  };
}

/** Waits until the server has at most `maxOpen` descriptors open. */
export function descriptorsReturn(target: Target, maxOpen: number): Promise<void> {
  return until(
    () => target.countDescriptors() <= maxOpen,
    `at most ${maxOpen} descriptors stay open`,
    returnMaxMs,
  );
}

/** Sends a valid handshake and resets the connection before the response. */
function resetHandshake(port: number, headers: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(handshake(headers), () => {
        socket.resetAndDestroy();
        resolve();
      });
    });
    socket.on("error", () => resolve());
  });
}

/** Throws unless the server reacted as it should. */
export function expect(isRight: boolean, subject: string, ending: Ending): void {
  if (isRight) return;
  const { status, code, texts, response } = ending;
  const last = texts.at(-1)?.slice(0, 200);
  throw new Error(`${subject}: status ${status}, code ${code}, ${last ?? response.slice(0, 200)}`);
}

/** Returns a command as a frame. */
export function command(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return frame(JSON.stringify(fields));
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

let helloCount = 0;

/** Returns a `hello` with a new token and a new name. */
export function hello(random: SeededRandom, rooms: readonly string[] = []): Uint8Array {
  return command({
    type: "hello",
    username: `Mallory${++helloCount}`,
    token: newToken(random),
    rooms: rooms.map((room) => ({ room })),
  });
}

/** Returns a new token. */
export function newToken(random: SeededRandom): string {
  const bytes = Uint8Array.from({ length: 32 }, () => random.below(256));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Sends a handshake and frames at once, and closes once the server has handled them all. */
export async function converse(port: number, ...frames: readonly Uint8Array[]): Promise<Ending> {
  using socket = await RawSocket.open(port, ...frames, lastCommand);
  return await untilHandled(socket);
}

/** Ends a conversation: the server refuses it once it has handled all earlier commands. */
export const lastCommand = command({ type: "last" });

/** Reads until the server has handled `lastCommand`, and then closes. */
export async function untilHandled(socket: RawSocket): Promise<Ending> {
  const texts: string[] = [];
  // If frames come with a refused handshake, Deno keeps the connection open.
  socket.onRefused = () => socket[Symbol.dispose]();
  socket.onText = (text) => {
    texts.push(text);
    if (text.includes('"re":"last"')) void socket.write(goodbye);
  };
  return { ...await socket.ended(), texts };
}

/** Sends a handshake and frames, the last of which makes the server close the connection. */
export async function provoke(port: number, ...frames: readonly Uint8Array[]): Promise<Ending> {
  using socket = await RawSocket.open(port, ...frames);
  return await socket.ended();
}

const goodbye = frame(new Uint8Array([3, 232]), { opcode: opcode.close });

/** Returns all pushes of a connection. */
export function pushes({ texts }: Ending): readonly Push[] {
  return texts.flatMap((text) => JSON.parse(text) as Push[]);
}

// The type of an attack, and the functions that attacks share. The attacks are in the files
// `*_attacks.ts`.

import type { Push } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { frame, opcode, RawSocket } from "../../support/raw_socket.ts";
import type { Ending } from "../../support/raw_socket.ts";

/** The server under attack. */
export interface Target {
  readonly port: number;
  /** Names of honest members in the lobby. */
  readonly honestNames: readonly string[];
  readonly random: SeededRandom;
  /** Whether attacks may take minutes, for example to reach a timeout. */
  readonly isPatient: boolean;
  /**
   * Waits until the honest clients have received everything, since on a busy machine they can be
   * slow too.
   */
  waitForHonest(): Promise<void>;
}

/** One way to harm a server. */
export interface Attack {
  readonly name: string;
  /** Min repetitions in the short test. */
  readonly short: number;
  /** Min repetitions in the torture. */
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

/** Throws unless the server reacted as it should. */
export function expect(isRight: boolean, subject: string, ending: Ending): void {
  if (isRight) return;
  const { status, code, texts, answer } = ending;
  const last = texts.at(-1)?.slice(0, 200);
  throw new Error(`${subject}: status ${status}, code ${code}, ${last ?? answer.slice(0, 200)}`);
}

/** Returns a command as a frame. */
export function command(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return frame(JSON.stringify(fields));
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

/** Marks the end of a conversation: the server refuses it after all commands before it. */
export const lastCommand = command({ type: "last" });

/** Reads until the server has handled `lastCommand`, and then closes. */
export async function untilHandled(socket: RawSocket): Promise<Ending> {
  const texts: string[] = [];
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

// What an attack is, and what it is made with. The attacks themselves live in the files that end in `_attacks.ts`.

import type { Push } from "../../../app/protocol/wire.ts";
import type { SeededRandom } from "../../support/seeded_random.ts";
import { frame, opcode, RawSocket } from "./raw_socket.ts";
import type { Ending } from "./raw_socket.ts";

/** Whom to attack, and how. */
export interface Target {
  readonly port: number;
  /** Names of people who are in the lobby. */
  readonly people: readonly string[];
  readonly chance: SeededRandom;
  /** Whether there is time for what takes its time by nature. */
  readonly isPatient: boolean;
  /** Waits until the people have heard everything: on a busy machine they may be as slow as those who do not want to read. */
  heard(): Promise<void>;
}

/** One way to do harm. */
export interface Attack {
  readonly name: string;
  /** Blows that the short test and the torture deal at least. */
  readonly short: number;
  readonly long: number;
  /** Within so many ms honest messages have to arrive, all but one in a hundred, where Deno gives the server no means against it. */
  readonly p99Most?: number;
  /**
   * Deals blows, at most `most`, and answers how many.
   *
   * @throws {Error} If the server answered one of them wrongly.
   */
  strike(target: Target, most: number): Promise<number>;
}

/** An attack of many equal blows, `atOnce` at the same time. Each is told which it is. */
export function blows(
  name: string,
  { atOnce = 20, ...size }: Pick<Attack, "short" | "long" | "p99Most"> & {
    readonly atOnce?: number;
  },
  strike: (target: Target, index: number) => Promise<void>,
): Attack {
  let index = 0;
  return {
    name,
    ...size,
    async strike(target, most) {
      const count = Math.min(atOnce, most);
      await Promise.all(Array.from({ length: count }, () => strike(target, index++)));
      return count;
    },
  };
}

/** Throws unless the server did what it should. */
export function expect(isRight: boolean, what: string, ending: Ending): void {
  if (isRight) return;
  const { status, code, texts, answer } = ending;
  const last = texts.at(-1)?.slice(0, 200);
  throw new Error(`${what}: status ${status}, code ${code}, ${last ?? answer.slice(0, 200)}`);
}

/** A command as a frame. */
export function command(fields: Readonly<Record<string, unknown>>): Uint8Array {
  return frame(JSON.stringify(fields));
}

let comers = 0;

/** A `hello` of somebody new, by a name that nobody had before. */
export function hello(chance: SeededRandom, rooms: readonly string[] = []): Uint8Array {
  return command({
    type: "hello",
    username: `Mallory${++comers}`,
    token: newToken(chance),
    rooms: rooms.map((room) => ({ room })),
  });
}

/** A token that nobody else has. */
export function newToken(chance: SeededRandom): string {
  const bytes = Uint8Array.from({ length: 32 }, () => chance.below(256));
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

/** A conversation: a handshake and these frames at once, and a goodbye when all are answered. Answers what was said. */
export async function converse(port: number, ...frames: readonly Uint8Array[]): Promise<Ending> {
  using socket = await RawSocket.open(port, ...frames, command({ type: "last" }));
  const texts: string[] = [];
  socket.onText = (text) => {
    texts.push(text);
    if (text.includes('"re":"last"')) void socket.write(goodbye);
  };
  return { ...await socket.ended(), texts };
}

/** The same with frames of which the last makes the server end it. */
export async function provoke(port: number, ...frames: readonly Uint8Array[]): Promise<Ending> {
  using socket = await RawSocket.open(port, ...frames);
  return await socket.ended();
}

const goodbye = frame(new Uint8Array([3, 232]), { opcode: opcode.close });

/** Whatever was pushed in a conversation. */
export function pushes({ texts }: Ending): readonly Push[] {
  return texts.flatMap((text) => JSON.parse(text) as Push[]);
}

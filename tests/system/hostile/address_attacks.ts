// Attacks that use many tokens or addresses, on a server behind a proxy that reports each client's
// address. All addresses are public, so each has the smallest quotas.

import {
  command,
  expect,
  lastCommand,
  newToken,
  pushes,
  resetHandshakes,
  sleep,
  untilHandled,
} from "./attack.ts";
import type { Attack, Target } from "./attack.ts";
import { concat, handshake, RawSocket } from "../../support/raw_socket.ts";
import type { Ending } from "../../support/raw_socket.ts";
import { until } from "../../support/waiting.ts";
import { honestCode } from "./honest_worker.ts";

const rateBurst = 20;
const ratePerSecond = 2;
const connectionsMax = 256;
/** Default max connections per address. */
const connectionsPerAddress = 32;

/** The settings of the server. */
export const proxiedEnv: Readonly<Record<string, string>> = {
  TRUST_PROXY: "1",
  ACCESS_CODE: honestCode,
  RATE_BURST: String(rateBurst),
  RATE_PER_SECOND: String(ratePerSecond),
  MAX_CONNECTIONS: String(connectionsMax),
  // On a fast machine, the attacks on new rooms use up the default.
  MAX_ROOMS: "100000",
};

// Limits per address; see app/chat/quotas.ts, held_names.ts and access.ts.
const membersPerAddress = 10;
const heldNamesMax = 50;
const newRoomsBurst = 16;
const newRoomsPerSecond = 1;
const joinedRooms = 20;
const joinsPerSecond = 50;
/** Max burst of joins from one address. Each is announced to 100 readers in each of 20 rooms. */
const joinsBurst = 40;
/** Concurrent joins, so that the quota hardly recovers in between on a slow machine. */
const joinsAtOnce = 16;
const readerCount = 100;
/** Max sustained traffic that joins from one address may cause for all other clients together. */
const announcedBytesPerSecond = 1024 * 1024;
const guessesBurst = 40;
/** Max time that a connection counts as open if its client ignores the close. */
const ignoredCloseMs = 40_000;

let addressCount = 0;

/** Returns a public address that no attack has used. */
function newAddress(): string {
  addressCount++;
  return `9.0.${addressCount >> 8}.${addressCount & 255}`;
}

/** Sends a handshake and commands from an address, and closes once the server has handled them. */
async function converseFrom(
  address: string,
  port: number,
  ...commands: readonly Readonly<Record<string, unknown>>[]
): Promise<Ending> {
  using socket = await RawSocket.connect(port);
  const head = handshake({ "X-Forwarded-For": address });
  await socket.write(concat([head, ...commands.map(command), lastCommand]));
  return await untilHandled(socket);
}

let nameCount = 0;

function newHello(
  { random }: Target,
  { username = `Churn ${++nameCount}`, access = honestCode, rooms = [] }: {
    readonly username?: string;
    readonly access?: string;
    readonly rooms?: readonly string[];
  },
): Readonly<Record<string, unknown>> {
  const token = newToken(random);
  return { type: "hello", username, token, access, rooms: rooms.map((room) => ({ room })) };
}

function newMessages(count: number, room: (index: number) => string) {
  return Array.from({ length: count }, (_, index) => ({
    type: "message",
    room: room(index),
    text: `churn ${index}`,
    nonce: `n${index}`,
  }));
}

/** Returns the number of errors with a code. */
function countErrors(ending: Ending, code: string): number {
  return pushes(ending).filter((push) => push.type === "error" && push.code === code).length;
}

function countAccepted(ending: Ending, nonces: ReadonlySet<string>): number {
  const accepted = pushes(ending).flatMap((push) =>
    push.type === "ack" || push.type === "message" ? [push.nonce] : []
  );
  return new Set(accepted.filter((nonce) => nonces.has(nonce))).size;
}

/** Throws unless some attempts were accepted, no more than the quota allows, and some refused. */
function expectQuota(subject: string, count: number, max: number, refused: number): void {
  if (count > 0 && count <= max && refused > 0) return;
  throw new Error(
    `${subject}: ${count} accepted (max ${Math.floor(max)}), ${refused} refused`,
  );
}

/** Returns an attack from one address that repeats `act` often enough to use up a quota. */
function exhausting(
  name: string,
  size: Pick<Attack, "short" | "long">,
  quota: { readonly tries: number; readonly burst: number; readonly perSecond: number },
  act: (target: Target, address: string) => Promise<{ accepted: number; refused: number }>,
): Attack {
  return {
    name,
    ...size,
    async run(target) {
      const address = newAddress();
      const startedAt = performance.now();
      let [accepted, refused] = [0, 0];
      for (let i = 0; i < quota.tries; i++) {
        const result = await act(target, address);
        accepted += result.accepted;
        refused += result.refused;
      }
      const seconds = (performance.now() - startedAt) / 1_000;
      expectQuota(name, accepted, quota.burst + quota.perSecond * (seconds + 1), refused);
      return quota.tries;
    },
  };
}

/** Clients at many addresses that join the same rooms and read everything they receive. */
class Readers implements Disposable {
  readonly rooms = Array.from({ length: joinedRooms }, (_, i) => `fan-${i}`);
  readonly #sockets: RawSocket[] = [];
  /** Total bytes that the readers have received. */
  bytes = 0;
  #rooms = 0;

  static async join(target: Target): Promise<Readers> {
    const readers = new Readers();
    for (let i = 0; i < readerCount; i++) await readers.#add(target);
    const max = readerCount * joinedRooms;
    await until(() => readers.#rooms === max, "the readers join their rooms");
    return readers;
  }

  async #add(target: Target): Promise<void> {
    const socket = await RawSocket.connect(target.port);
    this.#sockets.push(socket);
    socket.onText = (text) => {
      this.bytes += text.length;
      this.#rooms += text.split('"type":"room"').length - 1;
    };
    void socket.ended();
    const hello = newHello(target, { rooms: this.rooms });
    await socket.write(concat([handshake({ "X-Forwarded-For": newAddress() }), command(hello)]));
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket[Symbol.dispose]();
  }
}

export const addressAttacks: readonly Attack[] = [
  exhausting(
    "messages from a new token each time",
    { short: 30, long: 300 },
    {
      tries: 30,
      burst: rateBurst * membersPerAddress,
      perSecond: ratePerSecond * membersPerAddress,
    },
    async (target, address) => {
      const messages = newMessages(rateBurst, () => "lobby");
      const nonces = new Set(messages.map(({ nonce }) => nonce));
      const hello = newHello(target, { rooms: ["lobby"] });
      const ending = await converseFrom(address, target.port, hello, ...messages);
      const member = pushes(ending).find((push) => push.type === "welcome")?.member;
      const own = pushes(ending).filter((push) =>
        push.type === "ack" || push.type === "message" && push.member === member
      );
      const accepted = new Set(own.flatMap((push) => "nonce" in push ? [push.nonce] : []));
      return {
        accepted: nonces.intersection(accepted).size,
        refused: countErrors(ending, "rate_limited"),
      };
    },
  ),
  exhausting(
    "a flood of new rooms",
    { short: 6, long: 60 },
    { tries: 6, burst: newRoomsBurst, perSecond: newRoomsPerSecond },
    async (target, address) => {
      const run = ++nameCount;
      const rooms = Array.from({ length: joinedRooms }, (_, i) => `flood-${run}-${i}`);
      const messages = newMessages(rooms.length, (index) => rooms[index] ?? "");
      const nonces = new Set(messages.map(({ nonce }) => nonce));
      const ending = await converseFrom(
        address,
        target.port,
        newHello(target, { rooms }),
        ...messages,
      );
      return {
        accepted: countAccepted(ending, nonces),
        refused: countErrors(ending, "rate_limited"),
      };
    },
  ),
  // The server also upgrades one connection over the limit, to tell the client why it is closed.
  resetHandshakes({ short: 400, long: 2_000 }, connectionsPerAddress + 1, {
    "X-Forwarded-For": newAddress(),
  }),
  {
    name: "new tokens that join many rooms",
    short: 150,
    long: 1_000,
    async run(target, max) {
      using readers = await Readers.join(target);
      const address = newAddress();
      const join = async () => {
        const hello = newHello(target, { rooms: readers.rooms });
        const ending = await converseFrom(address, target.port, hello);
        const joined = pushes(ending).filter(({ type }) => type === "room").length;
        const isRefused = countErrors(ending, "rate_limited") > 0;
        expect(joined === joinedRooms || isRefused, `${joined} rooms joined`, ending);
        return isRefused;
      };
      let tries = 0;
      for (let isLimited = false; !isLimited; tries += joinsAtOnce) {
        if (tries > joinsBurst) throw new Error(`${tries} joins were not limited`);
        isLimited = (await Promise.all(Array.from({ length: joinsAtOnce }, join))).includes(true);
      }
      const [startedAt, bytes] = [performance.now(), readers.bytes];
      await Promise.all(Array.from({ length: max }, async (_, i) => {
        await sleep(i * 1_000 / joinsPerSecond);
        await join();
      }));
      const perSecond = (readers.bytes - bytes) / (performance.now() - startedAt) * 1_000;
      if (perSecond > announcedBytesPerSecond) {
        throw new Error(`The readers received ${Math.round(perSecond)} bytes a second`);
      }
      return max;
    },
  },
  {
    name: "squatting on names",
    short: 60,
    long: 300,
    async run(target) {
      const [squatter, newcomer] = [newAddress(), newAddress()];
      const names = Array.from({ length: 60 }, () => `Squat ${++nameCount}`);
      for (const username of names) {
        const hello = newHello(target, { username, rooms: ["lobby"] });
        await converseFrom(squatter, target.port, hello, ...newMessages(1, () => "lobby"));
      }
      let taken = 0;
      for (const username of names) {
        const ending = await converseFrom(newcomer, target.port, newHello(target, { username }));
        taken += countErrors(ending, "username_taken");
      }
      expectQuota("names held", taken, heldNamesMax, names.length - taken);
      return names.length;
    },
  },
  {
    name: "guessing the access code",
    short: 60,
    long: 300,
    async run(target, max) {
      let [denied, locked] = [0, 0];
      for (let i = 0; i < Math.min(max, 60); i++) {
        // One IPv6 /48, as a household may have, with a different /64 for each guess.
        const address = `2a00:1:2:${(++addressCount).toString(16)}::1`;
        const hello = newHello(target, { access: `guess-${i}-battery` });
        const ending = await converseFrom(address, target.port, hello);
        denied += countErrors(ending, "access_denied");
        locked += countErrors(ending, "access_locked");
      }
      if (denied > guessesBurst + 1 || locked === 0) {
        throw new Error(`${denied} guesses were checked, ${locked} were not`);
      }
      const ending = await converseFrom(newAddress(), target.port, newHello(target, {}));
      if (!pushes(ending).some(({ type }) => type === "welcome")) {
        throw new Error("A client with the code at another address was refused");
      }
      return Math.min(max, 60);
    },
  },
  {
    name: "zombies that ignore the close",
    short: connectionsPerAddress,
    long: connectionsMax,
    async run({ port, isPatient }, max) {
      const zombies: Deno.TcpConn[] = [];
      const isAccepted = async (address: string) => await statusOf(address, port) === 204;
      try {
        for (let address = newAddress(); zombies.length < max && await isAccepted(address);) {
          for (let i = 0; i < connectionsPerAddress; i++) {
            zombies.push(await openZombie(address, port));
          }
          if (await isAccepted(address)) {
            throw new Error(`An address got more than ${connectionsPerAddress} connections`);
          }
          address = newAddress();
        }
        if (!isPatient) return max;
        const isServed = () => isAccepted(newAddress());
        if (await isServed()) throw new Error("The zombies did not fill the server");
        await until(isServed, "the server accepts connections again", ignoredCloseMs);
      } finally {
        for (const zombie of zombies) zombie.close();
      }
      return max;
    },
  },
];

/** Opens a WebSocket that sends nothing and reads nothing after the handshake. */
async function openZombie(address: string, port: number): Promise<Deno.TcpConn> {
  const zombie = await Deno.connect({ hostname: "127.0.0.1", port });
  await zombie.write(handshake({ "X-Forwarded-For": address }));
  await zombie.read(new Uint8Array(1));
  return zombie;
}

/** Returns the HTTP status that tells whether the server would accept a WebSocket. */
async function statusOf(address: string, port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/ws`, {
    method: "POST",
    headers: { "X-Forwarded-For": address },
  });
  await response.body?.cancel();
  return response.status;
}

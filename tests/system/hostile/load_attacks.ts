// Attacks by load and by silence: floods of commands, and clients that don't read or don't send.

import { closeCode } from "../../../app/protocol/wire.ts";
import { command, converse, expect, hello, repeated, sleep } from "./attack.ts";
import type { Attack, Target } from "./attack.ts";
import { frame, RawSocket } from "../../support/raw_socket.ts";

/** Commands per flood. They fit into one turn of the event loop and into a socket's buffer. */
const burst = 950;
const readers = { short: 20, long: 100 };
const writers = 40;
const textLength = 4_000;
/** Duration of a round of a patient attack, in which every writer sends a message. */
const roundMs = 750;
const stuckPeers = 50;
/**
 * Close codes after a flood, which is answered or disconnected. The code is lost if Deno reads more
 * frames before sending it.
 */
const allowedCodes: readonly number[] = [closeCode.left, closeCode.flooding, 1006];
const stuckPeer = new URL("stuck_peer.ts", import.meta.url).pathname;

/** Returns a flood of one command by a member in the lobby. */
function flood(name: string, fields: (index: number) => Readonly<Record<string, unknown>>): Attack {
  return repeated(name, { short: 4, long: 200, concurrency: 4 }, async ({ port, random }) => {
    const commands = Array.from({ length: burst }, (_, index) => command(fields(index)));
    const ending = await converse(port, hello(random, ["lobby"]), ...commands);
    expect(allowedCodes.includes(ending.code), name, ending);
  });
}

async function openMany(
  { port, random }: Target,
  count: number,
  rooms: readonly string[],
): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  for (let i = 0; i < count; i++) {
    sockets.push(await RawSocket.open(port, hello(random, rooms)));
  }
  return sockets;
}

/**
 * Reads from a socket. Returns a function that waits for a reply with a nonce, or for the end of
 * the connection.
 */
function waitForReplies(socket: RawSocket): (nonce: string) => Promise<void> {
  let [awaited, resolve] = ["", () => {}];
  let isOver = false;
  socket.onText = (text) => {
    if (text.includes(`"nonce":"${awaited}"`)) resolve();
  };
  void socket.ended().finally(() => {
    isOver = true;
    resolve();
  });
  return (nonce) => {
    if (isOver) return Promise.resolve();
    awaited = nonce;
    return new Promise((done) => resolve = done);
  };
}

export const loadAttacks: readonly Attack[] = [
  {
    name: "connections without a hello",
    short: 100,
    long: 1_000,
    async run({ port, isPatient }, max) {
      const sockets: RawSocket[] = [];
      for (let i = 0; i < max; i++) sockets.push(await RawSocket.open(port));
      if (isPatient) {
        const endings = await Promise.all(sockets.map((socket) => socket.ended()));
        for (const one of endings) expect(one.code === closeCode.noHello, "no hello", one);
      }
      for (const socket of sockets) socket[Symbol.dispose]();
      return max;
    },
  },
  {
    name: "frames sent byte by byte",
    short: 20,
    long: 200,
    async run({ port, random, isPatient }, max) {
      const bytes = command({ type: "message", room: "lobby", text: "a".repeat(200), nonce: "n1" });
      const drip = async () => {
        const socket = await RawSocket.open(port, hello(random, ["lobby"]));
        let isOver = false;
        const ended = socket.ended().finally(() => isOver = true);
        for (let i = 0; i < bytes.length && !isOver; i++) {
          if (!await socket.write(bytes.subarray(i, i + 1))) break;
          if (isPatient) await sleep(1_000);
        }
        if (!isPatient) await socket.finish();
        const ending = await ended;
        // Half a frame counts as silence.
        expect(!isPatient || ending.code === closeCode.timeout, "a slow frame", ending);
      };
      await Promise.all(Array.from({ length: max }, drip));
      return max;
    },
  },
  {
    name: "readers that stop reading",
    short: readers.short,
    long: readers.long,
    async run(target, max) {
      const stuck = await openMany(target, max, ["lobby"]);
      const loud = await openMany(target, writers, ["lobby"]);
      const waits = loud.map(waitForReplies);
      const rounds = target.isPatient ? 20 : 10;
      for (let round = 0; round < rounds; round++) {
        const text = "\u20ac".repeat(textLength);
        await Promise.all(loud.map(async (socket, i) => {
          const nonce = `n${round}x${i}`;
          if (target.isPatient) await sleep(roundMs * i / writers);
          const wait = waits[i]?.(nonce);
          void socket.write(command({ type: "message", room: "lobby", text, nonce }));
          await wait;
        }));
        // Each wait makes the honest clients send, and they have a rate limit of their own.
        if (!target.isPatient || round % 4 === 3) await target.waitForHonest();
      }
      for (const socket of [...stuck, ...loud]) socket[Symbol.dispose]();
      await Promise.all(waits.map((wait) => wait("end")));
      return max;
    },
  },
  repeated("a storm of joins and leaves", { short: 20, long: 1_000 }, async ({ port, random }) => {
    const pairs = Array.from({ length: burst / 2 }, () => [
      command({ type: "join", room: "lobby" }),
      command({ type: "leave", room: "lobby" }),
    ]);
    const ending = await converse(port, hello(random, ["lobby"]), ...pairs.flat());
    expect(allowedCodes.includes(ending.code), "joins", ending);
  }),
  repeated(
    "a storm of connects and disconnects",
    { short: 100, long: 5_000 },
    async ({ port, random }, i) => {
      if (i % 2 === 0) await converse(port, hello(random, ["lobby"]));
      else (await RawSocket.open(port, hello(random, ["lobby"])))[Symbol.dispose]();
    },
  ),
  flood("a flood of joins", () => ({ type: "join", room: "lobby" })),
  flood("a flood of rooms", (index) => ({ type: "join", room: `r${index}` })),
  flood("a flood of history", () => ({ type: "history", room: "lobby", before: 1e9, limit: 100 })),
  flood("a flood of typing", () => ({ type: "typing", room: "lobby" })),
  flood("a flood of renames", (index) => ({ type: "rename", username: `Renamed ${index}` })),
  flood("a flood of messages", (index) => ({
    type: "message",
    room: "lobby",
    text: `flood ${index}`,
    nonce: `n${index}`,
  })),
  flood("a flood of repeats", () => ({
    type: "message",
    room: "lobby",
    text: "the same",
    nonce: "n1",
  })),
  flood("a flood of ping commands", () => ({ type: "ping" })),
  flood("a flood of pongs", () => ({ type: "pong" })),
  repeated(
    "a flood of pings",
    { short: 4, long: 200, concurrency: 4 },
    async ({ port, random }) => {
      const pings = Array.from({ length: burst }, () => frame("a".repeat(125), { opcode: 9 }));
      const ending = await converse(port, hello(random), ...pings);
      expect(ending.code === closeCode.left, "pings", ending);
    },
  ),
  {
    name: "suspended peers",
    short: 10,
    long: stuckPeers,
    async run({ port, isPatient }, max) {
      // A suspended process neither reads nor closes, and its kernel keeps the connections alive.
      const peer = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-q",
          "--no-prompt",
          "--allow-net=127.0.0.1",
          stuckPeer,
          `${port}`,
          `${max}`,
        ],
        stdout: "piped",
      }).spawn();
      try {
        const reader = peer.stdout.getReader();
        await reader.read();
        peer.kill("SIGSTOP");
        reader.releaseLock();
        // Longer than the server's timeout for silence.
        if (isPatient) await sleep(65_000);
      } finally {
        peer.kill("SIGKILL");
        await peer.stdout.cancel();
        await peer.status;
      }
      return max;
    },
  },
];

// Attacks by mass and by silence: those who ask too much, and those who take nothing or say nothing.

import { closeCode } from "../../../app/protocol/wire.ts";
import { blows, command, converse, expect, hello } from "./attack.ts";
import type { Attack, Target } from "./attack.ts";
import { frame, RawSocket } from "./raw_socket.ts";

/** What goes into one turn of the event loop, below the size of what a socket holds. */
const burst = 950;
const readers = { short: 20, long: 100 };
const writers = 40;
const textLength = 4_000;
const stuckPeers = 50;
/** Who floods is answered or sent away; without the code where Deno finds more frames before it has sent it. */
const mayEndWith: readonly number[] = [closeCode.left, closeCode.flooding, 1006];
const stuckPeer = new URL("stuck_peer.ts", import.meta.url).pathname;

/** A flood of one command by a member who is in the lobby. */
function flood(name: string, fields: (index: number) => Readonly<Record<string, unknown>>): Attack {
  return blows(name, { short: 4, long: 200, atOnce: 4 }, async ({ port, chance }) => {
    const commands = Array.from({ length: burst }, (_, index) => command(fields(index)));
    const ending = await converse(port, hello(chance, ["lobby"]), ...commands);
    expect(mayEndWith.includes(ending.code), name, ending);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function openMany(
  { port, chance }: Target,
  count: number,
  rooms: readonly string[],
): Promise<RawSocket[]> {
  const sockets: RawSocket[] = [];
  for (let i = 0; i < count; i++) {
    sockets.push(await RawSocket.open(port, hello(chance, rooms)));
  }
  return sockets;
}

/** Reads all that a socket is sent. Answers how to wait until the server has said something of a nonce, or has ended it. */
function answers(socket: RawSocket): (nonce: string) => Promise<void> {
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
    name: "connections that say nothing",
    short: 100,
    long: 1_000,
    async strike({ port, isPatient }, most) {
      const sockets: RawSocket[] = [];
      for (let i = 0; i < most; i++) sockets.push(await RawSocket.open(port));
      if (isPatient) {
        const endings = await Promise.all(sockets.map((socket) => socket.ended()));
        for (const one of endings) expect(one.code === closeCode.noHello, "no hello", one);
      }
      for (const socket of sockets) socket[Symbol.dispose]();
      return most;
    },
  },
  {
    name: "frames that drip",
    short: 20,
    long: 200,
    async strike({ port, chance, isPatient }, most) {
      const bytes = command({ type: "message", room: "lobby", text: "a".repeat(200), nonce: "n1" });
      const drip = async () => {
        const socket = await RawSocket.open(port, hello(chance, ["lobby"]));
        let isOver = false;
        const ended = socket.ended().finally(() => isOver = true);
        for (let i = 0; i < bytes.length && !isOver; i++) {
          if (!await socket.write(bytes.subarray(i, i + 1))) break;
          if (isPatient) await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
        if (!isPatient) await socket.finish();
        const ending = await ended;
        // Half a frame is nothing heard.
        expect(!isPatient || ending.code === closeCode.timeout, "a slow frame", ending);
      };
      await Promise.all(Array.from({ length: most }, drip));
      return most;
    },
  },
  {
    name: "readers that stop reading",
    short: readers.short,
    long: readers.long,
    async strike(target, most) {
      const stuck = await openMany(target, most, ["lobby"]);
      const loud = await openMany(target, writers, ["lobby"]);
      const answered = loud.map(answers);
      const rounds = target.isPatient ? 20 : 10;
      for (let round = 0; round < rounds; round++) {
        const text = "\u20ac".repeat(textLength);
        await Promise.all(loud.map(async (socket, i) => {
          const nonce = `n${round}x${i}`;
          // Not faster, since the honest ones say something after each round, and have their rate too.
          if (target.isPatient) await pause(750 * i / writers);
          const wait = answered[i]?.(nonce);
          void socket.write(command({ type: "message", room: "lobby", text, nonce }));
          await wait;
        }));
        await target.heard();
      }
      for (const socket of [...stuck, ...loud]) socket[Symbol.dispose]();
      await Promise.all(answered.map((wait) => wait("the end")));
      return most;
    },
  },
  blows("a storm of joins and leaves", { short: 20, long: 1_000 }, async ({ port, chance }) => {
    const pairs = Array.from({ length: burst / 2 }, () => [
      command({ type: "join", room: "lobby" }),
      command({ type: "leave", room: "lobby" }),
    ]);
    const ending = await converse(port, hello(chance, ["lobby"]), ...pairs.flat());
    expect(mayEndWith.includes(ending.code), "joins", ending);
  }),
  blows("a storm of comers and goers", { short: 100, long: 5_000 }, async ({ port, chance }, i) => {
    if (i % 2 === 0) await converse(port, hello(chance, ["lobby"]));
    else (await RawSocket.open(port, hello(chance, ["lobby"])))[Symbol.dispose]();
  }),
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
  flood("a flood of pongs", () => ({ type: "pong" })),
  blows("a flood of pings", { short: 4, long: 200, atOnce: 4 }, async ({ port, chance }) => {
    const pings = Array.from({ length: burst }, () => frame("a".repeat(125), { opcode: 9 }));
    const ending = await converse(port, hello(chance), ...pings);
    expect(ending.code === closeCode.left, "pings", ending);
  }),
  {
    name: "peers that stand still",
    short: 10,
    long: stuckPeers,
    async strike({ port, isPatient }, most) {
      // A stopped process neither reads nor closes, and its kernel goes on saying that it lives.
      const peer = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "-q",
          "--no-prompt",
          "--allow-net=127.0.0.1",
          stuckPeer,
          `${port}`,
          `${most}`,
        ],
        stdout: "piped",
      }).spawn();
      try {
        const reader = peer.stdout.getReader();
        await reader.read();
        peer.kill("SIGSTOP");
        reader.releaseLock();
        // Longer than a silence may last.
        if (isPatient) await new Promise((resolve) => setTimeout(resolve, 65_000));
      } finally {
        peer.kill("SIGKILL");
        await peer.stdout.cancel();
        await peer.status;
      }
      return most;
    },
  },
];

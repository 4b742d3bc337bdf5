// How many servers a chat needs, and what gives way first: the arithmetic behind docs/scaling.md. `deno run scripts/scaling_model.ts`
// prints its table.

/** What was measured, on one core of the machine that docs/scaling.md names; it says by which commands. */
export const measured = {
  /** Memory of a connection in a room, in KiB. */
  connectionKiB: 20.5,
  /** What a connection costs a node on which nobody says anything, in CPU-seconds a second. */
  idleLoad: 2.5e-6,
  /** Sending one frame to one connection, in CPU-seconds. */
  frameSeconds: 8e-6,
  /** Taking a message from its author, handing it to Redis and hearing it, without its frames, in CPU-seconds of a node. */
  messageSeconds: 150e-6,
  /** Hearing a message that nobody on the node is sent, in CPU-seconds. */
  hearSeconds: 60e-6,
  /** A member on another node, in bytes of a node's memory. */
  elsewhereBytes: 741,
  /** Storing a message and giving it to one node, in CPU-seconds of Redis. */
  redisSeconds: 98e-6,
  /** Giving it to one node more. */
  readSeconds: 12e-6,
};

/** What is assumed of people and machines. */
export const assumed = {
  /** People in a room; each is in one. */
  roomSize: 50,
  /** Connections that one node is given, as MAX_CONNECTIONS. */
  connectionsMost: 10_000,
  /** Of one core; the rest is for the moments when everybody comes back. */
  loadMost: 0.7,
  /** Memory of a node, in MiB, beside what it takes when it is empty. */
  memoryMiB: 900,
};

/** How a number of people fares. */
export interface Forecast {
  readonly connected: number;
  readonly perHour: number;
  readonly messagesPerSecond: number;
  /** Nodes by connections and by CPU, whichever is more; `undefined` where no number suffices. */
  readonly nodes: number | undefined;
  /** Of one core of each node, and of Redis. */
  readonly nodeLoad: number;
  readonly redisLoad: number;
  readonly memoryMiB: number;
  readonly first: string;
}

/** Computes a chat of `connected` people who each write `perHour` messages. */
export function forecast(connected: number, perHour: number): Forecast {
  const { connectionKiB, idleLoad, frameSeconds, messageSeconds, hearSeconds } = measured;
  const { roomSize, connectionsMost, loadMost } = assumed;
  const messagesPerSecond = connected * perHour / 3600;
  // So few messages fall into one tick of one room that each goes in a frame of its own.
  const shared = connected * idleLoad +
    messagesPerSecond * (messageSeconds - hearSeconds + roomSize * frameSeconds);
  // Every node hears everything.
  const onEach = messagesPerSecond * hearSeconds;
  const byLoad = onEach < loadMost ? Math.ceil(shared / (loadMost - onEach)) : undefined;
  const nodes = byLoad && Math.max(byLoad, Math.ceil(connected / connectionsMost));
  const count = nodes ?? Math.ceil(connected / connectionsMost);
  const nodeLoad = shared / count + onEach;
  const storing = messagesPerSecond * measured.redisSeconds;
  const reading = messagesPerSecond * (count - 1) * measured.readSeconds;
  const redisLoad = storing + reading;
  const elsewhere = connected - connected / count;
  const memoryMiB = (connected / count * connectionKiB +
    elsewhere * measured.elsewhereBytes / 1024) / 1024;
  const limits = [
    {
      what: storing > reading ? "Redis, storing" : "Redis, read by so many",
      of: redisLoad / loadMost,
    },
    { what: "hearing everything, on each node", of: onEach / loadMost },
    { what: "members of other nodes, in memory", of: memoryMiB / assumed.memoryMiB },
  ].sort((one, other) => other.of - one.of);
  const [worst] = limits;
  const first = worst === undefined || worst.of < 0.5 ? "nothing near" : worst.what;
  return { connected, perHour, messagesPerSecond, nodes, nodeLoad, redisLoad, memoryMiB, first };
}

/** The table of docs/scaling.md. */
export function scalingTable(): string {
  const whole = (number: number) => Math.round(number).toLocaleString("en");
  const percent = (share: number) => `${whole(100 * share)} %`;
  const rows = [
    [
      "connected",
      "messages an hour, each",
      "messages a second",
      "servers",
      "core of each",
      "memory of each, MiB",
      "core of Redis",
      "what gives way first",
    ],
    Array.from({ length: 8 }, () => "---"),
  ];
  for (const connected of [10_000, 100_000, 1_000_000]) {
    for (const perHour of [6, 60]) {
      const one = forecast(connected, perHour);
      rows.push([
        whole(connected),
        whole(perHour),
        whole(one.messagesPerSecond),
        one.nodes === undefined ? "no number suffices" : whole(one.nodes),
        percent(one.nodeLoad),
        whole(one.memoryMiB),
        percent(one.redisLoad),
        one.first,
      ]);
    }
  }
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

if (import.meta.main) Deno.stdout.writeSync(new TextEncoder().encode(`${scalingTable()}\n`));

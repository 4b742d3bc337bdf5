// Computes how many servers a chat needs and which limit it hits first, for docs/scaling.md.
// `deno run scripts/scaling_model.ts` prints the table.

/** Measurements on one core. docs/scaling.md names the machine and the commands. */
export const measured = {
  /** Memory of a connection in a room, in KiB. */
  connectionKiB: 21.3,
  /** CPU-seconds per second of an idle connection. */
  idleLoad: 0.9e-6,
  /** CPU-seconds to send one frame to one connection. */
  frameSeconds: 5.4e-6,
  /** CPU-seconds of a node to accept, store and read back a message, excluding its frames. */
  messageSeconds: 110e-6,
  /** CPU-seconds of a node to read a message that none of its clients receive. */
  feedSeconds: 49e-6,
  /** Memory of a remote member, in bytes. */
  remoteMemberBytes: 686,
  /** CPU-seconds of Redis to store a message and pass it to one node. */
  redisStoreSeconds: 89e-6,
  /** CPU-seconds of Redis to pass it to one more node. */
  redisReadSeconds: 11e-6,
};

/** Assumptions about people and machines. */
const assumed = {
  /** Members per room; each is in one room. */
  roomSize: 50,
  /** Max connections per node, the default of MAX_CONNECTIONS. */
  maxConnections: 10_000,
  /** Max load of one core. The rest is headroom for when everyone reconnects. */
  maxLoad: 0.7,
  /** Max memory of a node in MiB, beyond what an empty node takes. */
  maxMemoryMiB: 900,
};

/** The resources that a chat of some size needs. */
interface Forecast {
  readonly connected: number;
  /** Messages per hour and person. */
  readonly perHour: number;
  readonly messagesPerSecond: number;
  /** Number of nodes; `undefined` if no number is enough. */
  readonly nodes: number | undefined;
  /** Share of one core, on each node. */
  readonly nodeLoad: number;
  /** Share of one core. */
  readonly redisLoad: number;
  /** Memory of each node. */
  readonly memoryMiB: number;
  /** The resource that reaches its limit first. */
  readonly bottleneck: string;
}

/** Forecasts a chat of `connected` people who each send `perHour` messages per hour. */
function forecast(connected: number, perHour: number): Forecast {
  const { connectionKiB, idleLoad, frameSeconds, messageSeconds, feedSeconds } = measured;
  const { roomSize, maxConnections, maxLoad, maxMemoryMiB } = assumed;
  const messagesPerSecond = connected * perHour / 3600;
  // With so few messages per tick and room, each needs a separate frame.
  const sharedLoad = connected * idleLoad +
    messagesPerSecond * (messageSeconds - feedSeconds + roomSize * frameSeconds);
  // Every node reads every message.
  const feedLoad = messagesPerSecond * feedSeconds;
  const minNodes = Math.ceil(connected / maxConnections);
  const nodes = feedLoad < maxLoad
    ? Math.max(minNodes, Math.ceil(sharedLoad / (maxLoad - feedLoad)))
    : undefined;
  const count = nodes ?? minNodes;
  const nodeLoad = sharedLoad / count + feedLoad;
  const redisStoring = messagesPerSecond * measured.redisStoreSeconds;
  const redisReading = messagesPerSecond * (count - 1) * measured.redisReadSeconds;
  const redisLoad = redisStoring + redisReading;
  const remoteMembers = connected - connected / count;
  const memoryMiB = (connected / count * connectionKiB +
    remoteMembers * measured.remoteMemberBytes / 1024) / 1024;
  const limits = [
    {
      name: redisStoring > redisReading ? "Redis, storing" : "Redis, read by every server",
      used: redisLoad / maxLoad,
    },
    { name: "reading the feed, on each server", used: feedLoad / maxLoad },
    { name: "remote members, in memory", used: memoryMiB / maxMemoryMiB },
  ].sort((a, b) => b.used - a.used);
  const [worst] = limits;
  const bottleneck = worst === undefined || worst.used < 0.5 ? "nothing" : worst.name;
  return {
    connected,
    perHour,
    messagesPerSecond,
    nodes,
    nodeLoad,
    redisLoad,
    memoryMiB,
    bottleneck,
  };
}

/** Returns the table of docs/scaling.md. */
export function scalingTable(): string {
  const formatInteger = (number: number) => Math.round(number).toLocaleString("en");
  const percent = (share: number) => `${formatInteger(100 * share)} %`;
  const rows = [
    [
      "connected",
      "messages per hour and person",
      "messages per second",
      "servers",
      "core of each",
      "memory of each, MiB",
      "core of Redis",
      "first bottleneck",
    ],
    Array.from({ length: 8 }, () => "---"),
  ];
  for (const connected of [10_000, 100_000, 1_000_000]) {
    for (const perHour of [6, 60]) {
      const result = forecast(connected, perHour);
      rows.push([
        formatInteger(connected),
        formatInteger(perHour),
        formatInteger(result.messagesPerSecond),
        result.nodes === undefined ? "no number is enough" : formatInteger(result.nodes),
        percent(result.nodeLoad),
        formatInteger(result.memoryMiB),
        percent(result.redisLoad),
        result.bottleneck,
      ]);
    }
  }
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

if (import.meta.main) Deno.stdout.writeSync(new TextEncoder().encode(`${scalingTable()}\n`));

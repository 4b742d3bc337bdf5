// Runs simulated worlds: real hub, brokers and page on a simulated network, clock and disk, with
// every promise checked. `deno task simulate --first 1 --seeds 2000`; a failing seed prints the
// command that replays it.

import { readTaskFlags } from "../../support/task_flags.ts";
import { World } from "./world.ts";
import type { WorldSummary } from "./world.ts";

const workerCount = 2;

/** Runs worlds with consecutive seeds. Returns their combined summary. */
export async function simulateMany(first: number, count: number): Promise<WorldSummary> {
  const root = Deno.makeTempDirSync({ dir: memoryFolder() });
  const summaries: WorldSummary[] = [];
  try {
    for (let seed = first; seed < first + count; seed++) {
      summaries.push(await simulate(seed, `${root}/${seed}`));
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
  return total(summaries);
}

async function simulate(seed: number, dir: string): Promise<WorldSummary> {
  Deno.mkdirSync(dir);
  const world = new World(seed, dir);
  try {
    return await world.run();
  } catch (error) {
    if (error instanceof Error) {
      error.message += `\nReplay it: deno task simulate --first ${seed} --seeds 1`;
    }
    throw error;
  } finally {
    world.close();
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Returns a folder in memory if there is one, as worlds write a lot and keep nothing. */
function memoryFolder(): string {
  try {
    if (Deno.statSync("/dev/shm").isDirectory) return "/dev/shm";
  } catch {
    // Not every system has it.
  }
  return Deno.env.get("TMPDIR") ?? "/tmp";
}

function total(summaries: readonly WorldSummary[]): WorldSummary {
  return summaries.reduce(
    (sum, { steps, messages, amendments, crashes }) => ({
      steps: sum.steps + steps,
      messages: sum.messages + messages,
      amendments: sum.amendments + amendments,
      crashes: sum.crashes + crashes,
    }),
    { steps: 0, messages: 0, amendments: 0, crashes: 0 },
  );
}

/** A range of seeds, as it is sent to a worker. */
interface SeedRange {
  readonly first: number;
  readonly count: number;
}

/** A worker's reply. */
type WorkerReply = { readonly summary: WorldSummary } | { readonly failure: string };

/** Runs the seeds in workers, each with an equal share. */
async function simulateInWorkers(first: number, count: number): Promise<WorldSummary> {
  const share = Math.ceil(count / workerCount);
  const ranges = Array.from({ length: workerCount }, (_, i): SeedRange => {
    const done = Math.min(count, i * share);
    return { first: first + done, count: Math.min(share, count - done) };
  });
  return total(await Promise.all(ranges.map(runWorker)));
}

function runWorker(range: SeedRange): Promise<WorldSummary> {
  const worker = new Worker(import.meta.url, { type: "module" });
  return new Promise<WorldSummary>((resolve, reject) => {
    worker.addEventListener("message", ({ data }: MessageEvent<WorkerReply>) => {
      if ("failure" in data) reject(new Error(data.failure));
      else resolve(data.summary);
    });
    worker.postMessage(range);
  }).finally(() => worker.terminate());
}

/** Runs the range of seeds that this worker receives. */
function serveAsWorker(): void {
  addEventListener("message", async (event) => {
    const { first, count } = (event as MessageEvent<SeedRange>).data;
    const reply: WorkerReply = await simulateMany(first, count).then(
      (summary) => ({ summary }),
      (error) => ({ failure: `${error.stack}` }),
    );
    // Deno's types do not know that a module may run as a worker.
    (self as unknown as { postMessage(message: WorkerReply): void }).postMessage(reply);
  });
}

async function main(): Promise<number> {
  const { first, seeds: count } = readTaskFlags({ first: 1, seeds: 2_000 });
  const startedAt = performance.now();
  try {
    const { steps, messages, amendments, crashes } = await simulateInWorkers(first, count);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const what =
      `${count} worlds, ${steps} steps, ${messages} messages, ${amendments} amendments, ` +
      `${crashes} crashes`;
    print(`${what}: ok in ${seconds} s`);
    return 0;
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    return 1;
  }
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

if ("WorkerGlobalScope" in globalThis) serveAsWorker();
else if (import.meta.main) Deno.exit(await main());

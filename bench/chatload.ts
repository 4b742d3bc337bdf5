// Runs an external load generator that uses less CPU than load.ts, and parses its output. It
// supports only one room.

import type { LoadResult, Plan } from "./load.ts";

/** The result of a load, and its cost. CPU times are in seconds. */
export interface LoadMeasurement {
  readonly result: LoadResult;
  /** CPU time of each server process. */
  readonly cpus: readonly number[];
  readonly generatorCpu: number;
  readonly residentKiB: number;
  /** Seconds until all clients were connected, and the first server's CPU time, or NaN. */
  readonly connecting: { readonly seconds: number; readonly cpu: number };
}

/**
 * Runs a plan against the server with process id `pid`, using the program at `path`.
 *
 * @throws {Error} If the program's output is incomplete.
 */
export async function runChatload(
  path: string,
  plan: Plan,
  pid: number,
): Promise<LoadMeasurement> {
  const { port, pathname, search } = new URL(plan.url);
  const fill = (template: string) => template.replaceAll("%r", "0").replaceAll("%n", "%d");
  const [join] = plan.join;
  const options: Readonly<Record<string, string | number | undefined>> = {
    p: port,
    u: fill(pathname + search),
    P: plan.protocol,
    n: plan.clients,
    s: plan.senders,
    r: plan.rate,
    d: plan.seconds,
    L: plan.padding,
    j: join && fill(join),
    m: fill(plan.message),
    a: plan.heartbeat?.[1],
    S: pid,
  };
  const args = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`-${name}`, String(value)]
  );
  const { stdout, stderr } = await new Deno.Command(path, { args }).output();
  const text = new TextDecoder().decode(stdout);
  const number = (pattern: RegExp) => {
    const [, found] = pattern.exec(text) ?? [];
    if (found !== undefined) return Number(found);
    throw new Error(
      `Cannot measure: unexpected output of ${path}: ${text}${new TextDecoder().decode(stderr)}`,
    );
  };
  const { seconds } = plan;
  return {
    result: {
      seconds,
      sent: number(/sent (\d+)/),
      deliveries: number(/deliveries (\d+)/),
      frames: number(/frames (\d+)/),
      outOfOrder: number(/gaps (\d+)/) + number(/dups (\d+)/) + number(/dead (\d+)/),
      p50: number(/p50 ([\d.]+)/),
      p99: number(/p99 ([\d.]+)/),
      lastReader: number(/max ([\d.]+)/),
    },
    cpus: [number(/server cpu (\d+)%/) / 100 * seconds],
    generatorCpu: number(/client cpu (\d+)%/) / 100 * seconds,
    residentKiB: number(/server cpu.*rss (\d+)/),
    connecting: { seconds: number(/up \d+ of \d+ in ([\d.]+)s/), cpu: NaN },
  };
}

// Another load generator, a program that takes less of the machine than the one in load.ts: how it is told a plan, and what it
// says. It knows one room only.

import type { Plan, Seen } from "./load.ts";

/** What a generator saw, and what the server and it computed meanwhile, in seconds. */
export interface Load {
  readonly seen: Seen;
  readonly cpus: readonly number[];
  readonly generatorCpu: number;
  readonly residentKiB: number;
  /** Seconds until all clients were there, and that the first server computed meanwhile, where that is known. */
  readonly coming: { readonly seconds: number; readonly cpu: number };
}

/**
 * Puts a plan's load on a server by the program at `path`.
 *
 * @throws {Error} If it ends early, or a message is lost or comes out of order.
 */
export async function chatload(path: string, plan: Plan, pid: number): Promise<Load> {
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
    throw new Error(`Cannot measure: ${path} said ${text}${new TextDecoder().decode(stderr)}`);
  };
  const { seconds } = plan;
  return {
    seen: {
      seconds,
      sent: number(/sent (\d+)/),
      deliveries: number(/deliveries (\d+)/),
      frames: number(/frames (\d+)/),
      disorder: number(/gaps (\d+)/) + number(/dups (\d+)/) + number(/dead (\d+)/),
      p50: number(/p50 ([\d.]+)/),
      p99: number(/p99 ([\d.]+)/),
      last: number(/max ([\d.]+)/),
    },
    cpus: [number(/server cpu (\d+)%/) / 100 * seconds],
    generatorCpu: number(/client cpu (\d+)%/) / 100 * seconds,
    residentKiB: number(/server cpu.*rss (\d+)/),
    coming: { seconds: number(/up \d+ of \d+ in ([\d.]+)s/), cpu: NaN },
  };
}

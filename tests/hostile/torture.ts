// The torture: every attack for long enough to do harm, one line for each. `deno task torture` takes some minutes; words after
// it choose attacks by their names.

import { attacks, Siege } from "./siege.ts";

const plan = { seed: 1, isPatient: true, leastMs: 5_000, restMs: 30_000, keptMost: 48 };
const everyMs = 1_000;
const p99Most = 100;

if (import.meta.main) await main(Deno.args);

async function main(words: readonly string[]): Promise<void> {
  const chosen = attacks.filter(({ name }) =>
    words.length === 0 || words.some((word) => name.includes(word))
  );
  await using siege = await Siege.start(plan, everyMs);
  say(
    row(["attack", "count", "s", "arrived", "p50", "p99", "most", "before", "peak", "after", ""]),
  );
  let failed = 0;
  for (const attack of chosen) {
    const verdict = await siege.stand(attack);
    const { name, count, seconds, findings, before, peak, after } = verdict;
    const { arrived, p50, p99, most } = findings;
    const wrongs = [...verdict.wrongs];
    if (p99 >= p99Most) wrongs.push(`p99 is not below ${p99Most} ms`);
    if (wrongs.length > 0) failed++;
    const times = [p50, p99, most].map((ms) => ms.toFixed(1));
    const result = wrongs.length === 0 ? "pass" : `fail: ${wrongs.join("; ")}`;
    say(row([name, count, seconds.toFixed(0), arrived, ...times, before, peak, after, result]));
  }
  const faults = siege.faults();
  for (const fault of faults.slice(0, 10)) say(fault);
  say(
    `${chosen.length - failed} passed, ${failed} failed, ${faults.length} faults in the error log`,
  );
  Deno.exitCode = failed + faults.length === 0 ? 0 : 1;
}

function row([name, ...cells]: readonly (string | number)[]): string {
  const verdict = cells.pop() ?? "";
  return `${String(name).padEnd(30)}${
    cells.map((cell) => String(cell).padStart(9)).join("")
  }  ${verdict}`;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

// The torture: every attack for long enough to do harm, one line for each. `deno task torture` takes some minutes; words after
// it choose attacks by their names.

import type { Attack } from "./attack.ts";
import { attacks, Siege } from "./siege.ts";
import type { Verdict } from "./siege.ts";

const plan = { seed: 1, isPatient: true, leastMs: 5_000, restMs: 10_000 };
const everyMs = 1_000;
const p99Most = 100;
/** What may stay of the memory that an attack took, in MiB. */
const keptMost = 48;
const timesMost = 3;

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
    if (!await pass(siege, attack)) failed++;
  }
  const faults = siege.faults();
  for (const fault of faults.slice(0, 10)) say(fault);
  say(
    `${chosen.length - failed} passed, ${failed} failed, ${faults.length} faults in the error log`,
  );
  Deno.exitCode = failed + faults.length === 0 ? 0 : 1;
}

/**
 * Lets an attack happen and shows how it went. What it took and did not give back was lost, or is kept to be used again by the
 * allocator and the collector of V8: then it is not taken again and again when the same happens once more.
 */
async function pass(siege: Siege, attack: Attack): Promise<boolean> {
  for (let time = 1;; time++) {
    const verdict = await siege.stand(attack);
    const wrongs = wrongsOf(verdict, attack);
    const isBack = verdict.after <= verdict.before + keptMost;
    if (isBack || wrongs.length > 0) return show(verdict, wrongs);
    if (time === timesMost) return show(verdict, [`took more ${time} times in a row`]);
    show(verdict, [], "once more");
  }
}

function wrongsOf({ wrongs, findings }: Verdict, attack: Attack): readonly string[] {
  const most = attack.p99Most ?? p99Most;
  return findings.p99 < most ? wrongs : [...wrongs, `p99 is not below ${most} ms`];
}

function show(verdict: Verdict, wrongs: readonly string[], right = "pass"): boolean {
  const { name, count, seconds, findings, before, peak, after } = verdict;
  const { arrived, p50, p99, most } = findings;
  const times = [p50, p99, most].map((ms) => ms.toFixed(1));
  const result = wrongs.length === 0 ? right : `fail: ${wrongs.join("; ")}`;
  say(row([name, count, seconds.toFixed(0), arrived, ...times, before, peak, after, result]));
  return wrongs.length === 0;
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

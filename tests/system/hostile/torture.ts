// The torture test: runs every attack for long enough to do harm, and prints a line for each. `deno
// task torture` takes several minutes; its arguments select attacks by name.

import type { Attack } from "./attack.ts";
import { AttackedServer, attackGroups } from "./attacked_server.ts";
import type { AttackResult } from "./attacked_server.ts";

/** Max memory that an attack may leave allocated. */
const keptMib = 48;
// The grace of the attackers' members lasts 10 s.
const plan = { seed: 1, isPatient: true, minMs: 5_000, keptMib, restMs: 30_000 };
const everyMs = 1_000;
const maxP99Ms = 100;
const maxTries = 3;

if (import.meta.main) await main(Deno.args);

async function main(words: readonly string[]): Promise<void> {
  const names = attackGroups.flatMap(({ attacks }) => attacks.map(({ name }) => name));
  const unknown = words.find((word) => !names.some((name) => name.includes(word)));
  if (unknown !== undefined) {
    print(`Cannot find an attack named ${unknown}. The attacks are:\n${names.join("\n")}`);
    return Deno.exit(2);
  }
  print(
    row([
      "attack",
      "count",
      "s",
      "received",
      "amended",
      "p50",
      "p99",
      "max",
      "ran ms",
      "waited",
      "before",
      "peak",
      "after",
      "",
    ]),
  );
  let [passed, failed, errorCount] = [0, 0, 0];
  for (const { env, attacks } of attackGroups) {
    const selected = attacks.filter(({ name }) =>
      words.length === 0 || words.some((word) => name.includes(word))
    );
    if (selected.length === 0) continue;
    await using server = await AttackedServer.start(plan, everyMs, env);
    for (const attack of selected) {
      if (await passes(server, attack)) passed++;
      else failed++;
    }
    const errors = server.loggedErrors();
    for (const error of errors.slice(0, 10)) print(error);
    errorCount += errors.length;
  }
  print(`${passed} passed, ${failed} failed, ${errorCount} errors in the log`);
  Deno.exitCode = failed + errorCount === 0 ? 0 : 1;
}

/**
 * Runs an attack and prints its result. Memory that stays allocated has leaked, or the allocator
 * keeps it for reuse. Only a leak grows again when the attack is repeated.
 */
async function passes(server: AttackedServer, attack: Attack): Promise<boolean> {
  for (let tries = 1;; tries++) {
    const result = await server.run(attack);
    const problems = problemsOf(result, attack);
    const hasRecovered = result.after <= result.before + keptMib;
    if (hasRecovered || problems.length > 0) return show(result, problems);
    if (tries === maxTries) return show(result, [`memory grew ${tries} times in a row`]);
    show(result, [], "again");
  }
}

function problemsOf({ problems, report }: AttackResult, attack: Attack): readonly string[] {
  const max = attack.maxP99Ms ?? maxP99Ms;
  return report.p99 < max ? problems : [...problems, `p99 is not below ${max} ms`];
}

function show(result: AttackResult, problems: readonly string[], success = "pass"): boolean {
  const { name, count, seconds, report, ran, waited, before, peak, after } = result;
  const { received, amended, p50, p99, max } = report;
  const times = [p50, p99, max].map((ms) => ms.toFixed(1));
  const outcome = problems.length === 0 ? success : `fail: ${problems.join("; ")}`;
  print(
    row([
      name,
      count,
      seconds.toFixed(0),
      received,
      amended,
      ...times,
      ran.toFixed(0),
      waited.toFixed(0),
      before,
      peak,
      after,
      outcome,
    ]),
  );
  return problems.length === 0;
}

function row([name, ...cells]: readonly (string | number)[]): string {
  const outcome = cells.pop() ?? "";
  return `${String(name).padEnd(30)}${
    cells.map((cell) => String(cell).padStart(9)).join("")
  }  ${outcome}`;
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

// A broker in a process of its own, for tests that kill it or take its disk away.

import { SqliteBroker } from "../../app/broker/sqlite/sqlite_broker.ts";
import { defaults, draft } from "../unit/broker/broker_contract.ts";

const [path = "", mode = ""] = Deno.args;
const say = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const broker = SqliteBroker.open({
  path,
  durability: "normal",
  now: Date.now,
  randomName: () => crypto.randomUUID(),
  report: (event) => say(event),
  ...defaults,
});

if (mode === "flood") {
  for (let i = 0;; i++) {
    const [result] = broker.append([draft(`m${i}`)]);
    if (result?.kind === "stored") say(String(result.offset));
  }
}

if (mode === "full") {
  const text = "x".repeat(4_000);
  let stored = 0;
  while (broker.append([draft(text, { nonce: `f${stored}` })])[0]?.kind === "stored") stored++;
  say("full");
  const page = broker.read("lobby", { before: Infinity, limit: 10, maxBytes: 1e6 });
  say(`readable ${page.head.offset === stored && page.entries.length === 10}`);
  Deno.stdin.readSync(new Uint8Array(1));
  const [result] = broker.append([draft("after")]);
  say(result?.kind ?? "nothing");
  const { entries } = broker.read("lobby", { before: Infinity, limit: 1e4, maxBytes: 1e9 });
  const dense = entries.every(({ offset }, i) => offset === i + 1) && entries.length === stored + 1;
  say(`dense ${dense}`);
  broker.close();
}

// A broker in its own process, for tests that kill it or limit its disk.

import { SqliteBroker } from "../../app/broker/sqlite/sqlite_broker.ts";
import { defaults, draft } from "../unit/broker/broker_contract.ts";

const [path = "", mode = ""] = Deno.args;
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const broker = new SqliteBroker({
  path,
  durability: "normal",
  now: Date.now,
  randomName: () => crypto.randomUUID(),
  report: (event) => print(event),
  ...defaults,
});

if (mode === "flood") {
  for (let i = 0;; i++) {
    const [result] = broker.append([draft(`m${i}`)]);
    if (result?.kind === "stored") print(String(result.offset));
  }
}

if (mode === "full") {
  const text = "x".repeat(4_000);
  let stored = 0;
  while (broker.append([draft(text, { nonce: `f${stored}` })])[0]?.kind === "stored") stored++;
  print("full");
  const page = broker.read("lobby", { before: Infinity, limit: 10, maxBytes: 1e6 });
  print(`readable ${page.head.offset === stored && page.entries.length === 10}`);
  Deno.stdin.readSync(new Uint8Array(1));
  const [result] = broker.append([draft("after")]);
  print(result?.kind ?? "nothing");
  const { entries } = broker.read("lobby", { before: Infinity, limit: 1e4, maxBytes: 1e9 });
  const isDense = entries.every(({ offset }, i) => offset === i + 1) &&
    entries.length === stored + 1;
  print(`dense ${isDense}`);
  broker.close();
}

import { assert, assertEquals } from "@std/assert";
import { optionsFor, withBroker, withFile } from "../../support/sqlite_harness.ts";
import { draft } from "./broker_contract.ts";

Deno.test("SqliteBroker.prune() leaves no deleted text in the files, and shrinks them", () =>
  withFile((path) => {
    const options = optionsFor(path, undefined, { retentionMessages: 1 });
    withBroker(options, (broker) => {
      for (let i = 0; i < 2_000; i++) {
        broker.append([{ ...draft(`secret ${"x".repeat(500)}`), nonce: `n${i}` }]);
      }
      broker.append([draft("kept")]);
      const before = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      let steps = 0;
      while (broker.prune()) assert(++steps < 100);
      for (const suffix of ["", "-wal"]) {
        const bytes = new TextDecoder("latin1").decode(Deno.readFileSync(path + suffix));
        assertEquals(bytes.includes("secret"), false, suffix);
      }
      const after = Deno.statSync(path).size + Deno.statSync(`${path}-wal`).size;
      assert(after < before / 4, `${before} ${after}`);
    });
  }));
